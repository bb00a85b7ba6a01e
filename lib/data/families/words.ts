/**
 * The words of the generated tasks: common English words of 3 to 8 letters, chosen from `data/words/common.json` of the
 * collection dariusk/corpora (CC0 1.0). Short common words keep a word at one or two tokens.
 */

function split(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

/** 600 words for lists, constants, markers and maps, in alphabetical order. */
export const LIST_WORDS = split(`
  accept account across act active address admit affect after again against age ago agree air all allow almost along
  already also although always and another answer any appear approach area argue around arrange art ask attend away
  awful back bad ball bar base bear beauty because become before begin behind believe benefit best between big bill
  birth blow body both bottom break brief bring bus business but buy call can card care carry case catch centre certain
  chance change check choice choose city claim class clean clear close club cold collect college colour come comment
  common company concern consider consult contact continue contract control cook copy correct cost could count country
  county course court cover cross current cut danger date day deal dear decide decision depend design detail develop
  dinner discuss district double doubt down draw dress drink drive drop dry due each early easy eat effect eight either
  electric eleven else employ end enjoy enough enter even evening ever every evidence example except excuse expect
  explain express face fact fair fall family far farm fast favour feel few fight figure final find fine finish first fit
  five flat follow food for force forget form fortune forward four free friend from front full fun function further
  future game gas general get give good govern grand ground group grow guess guy half hang happen happy hard have health
  hear heart heavy help high history hold holiday home honest hospital hot hour how however idea imagine improve income
  increase industry interest into issue job join jump just keep key kind knock know labour land language large last late
  laugh law lead learn leave left leg less let life light like likely limit line list listen little live local long look
  lot love low luck machine main major make many mark market marry match matter may mean meaning measure meet member
  middle might mind miss moment money month more morning most motion move much must name nature near need never new next
  nice night nine non none not now number occasion odd off offer office often old once one only open order original
  other ought out over own pack paint parent part party pass past pay people per perfect perhaps period person pick
  piece place plan play point police poor position positive possible post power present pressure pretty previous price
  private problem process produce product project proper protect provide public purpose put quarter question quick quiet
  quite rail rather read ready real really receive refer regard region relation report require research resource respect
  rest return right road role room round rule run safe same save say school score seat second section secure see seem
  self sell sense separate serious serve service set settle seven shall share she shoot short should show shut side sign
  similar simple since single sit site six size sleep slight slow small smoke social society some son soon sorry sound
  space speak special specific spell spend stage stairs stand standard start station stay stick still stop story
  straight street strong student study subject succeed such sudden suggest suit support suppose sure surprise system
  take talk tax team tell ten terrible test than thank the there they thing think thirty this though thousand three
  through throw tie time together too top town trade traffic travel trouble true trust try turn twelve two type until
  upon use usual various very view village visit vote walk want watch water way wear week well what when where whether
  which while who whole wide will win wish with within without wonder word work world worry worse would write wrong year
  yes yet you young
`);

/** 75 words that occur only as labels. */
export const LABEL_WORDS = split(`
  arm baby bag bank bed blue boat book bottle box boy brother car cat chair child church coffee corner cup doctor dog
  door east egg engine eye father field film fire fish floor foot garden girl glass green hair hand horse house husband
  kitchen lady letter lord man milk mother music north page paper picture radio red shop sister south square summer sun
  table tea train tree video wall west wife wind window woman wood
`);
