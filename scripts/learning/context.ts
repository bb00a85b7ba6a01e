/**
 * Hyperpretraining (Phang et al., ICML 2023; CACLM): documents that each use a few words of their own. What stands around a
 * passage says which words will follow, so a hypermodel that reads it must lower the loss, and another document's must not.
 */
import { CaclmSampler, withoutEvidence } from '../../lib/data/caclm.ts';
import { LIST_WORDS } from '../../lib/data/families/words.ts';
import { Random } from '../../lib/data/random.ts';
import { TextCorpus } from '../../lib/data/text-corpus.ts';
import type { EpisodeRows, Objective, TextRows } from '../../lib/train/objectives.ts';
import { textObjective } from '../../lib/train/objectives.ts';
import { startHypermodel, trainSteps } from './train.ts';
import type { Bound } from './report.ts';

const [DOCUMENTS, WORDS, LENGTH, STEPS, CHECKS] = [2000, 6, 160, 300, 3];
const WINDOW = { hyperTokens: 96, queryTokens: 8, answerTokens: 24 };

export async function learnContext(folder: string): Promise<Bound[]> {
  const training = await startHypermodel(folder, 'lora', WINDOW);
  const { engine, tokenizer, t5, objective } = training;
  const corpus = (name: string) => {
    const rng = Random.stream(1, 'documents', name);
    return TextCorpus.of(Array.from({ length: DOCUMENTS }, () => {
      const own = rng.pick(LIST_WORDS, WORDS);
      return tokenizer.encode(Array.from({ length: LENGTH }, () => rng.choice(own)).join(' '));
    }));
  };
  const options = { rows: 24, windowTokens: 96, queryTokens: WINDOW.queryTokens, answerTokens: WINDOW.answerTokens, sideTokens: 16, minDocumentTokens: 96 };
  const sampler = new CaclmSampler(corpus('train'), tokenizer, 1, options);
  const held = new CaclmSampler(corpus('held out'), tokenizer, 2, options);

  const loss = async <B>(o: Objective<B>, batches: B[]) => {
    const results = await Promise.all(batches.map((b) => o.evaluate(b)));
    return results.reduce((sum, r) => sum + r.loss, 0) / results.reduce((sum, r) => sum + r.tokens, 0);
  };
  const steps = [0, 1, 2, 3];
  const right = steps.map((s) => held.batch(s));
  const controls = steps.map((s) => held.controls(s));
  const alone = textObjective(engine, t5.config, t5.parameters, training.optimizer, { rows: options.rows, encoderTokens: options.rows * 96, decoderTokens: options.rows * WINDOW.answerTokens });
  const none = await loss<TextRows>(alone, controls.map((c) => c.none));
  const concat = await loss<TextRows>(alone, controls.map((c) => c.concat));

  const information: number[] = [];
  let phi = NaN;
  for (let check = 0; check < CHECKS; check++) {
    await trainSteps(training, STEPS, (step) => sampler.batch(step), ((check + 1) * STEPS) / CHECKS);
    phi = await loss<EpisodeRows>(objective, right);
    const wrong = await loss<EpisodeRows>(objective, controls.map((c) => c.wrong));
    information.push(wrong - phi);
    console.log(`CACLM after ${((check + 1) * STEPS) / CHECKS} steps: L_none ${none.toFixed(3)}  L_phi ${phi.toFixed(3)}  L_wrong ${wrong.toFixed(3)}  L_concat ${concat.toFixed(3)}`);
  }
  alone.dispose();

  // The same hypermodel and the same steps with nothing to read: a constant phi.
  const constant = await startHypermodel(folder, 'lora', WINDOW);
  const blind = (batch: EpisodeRows) => withoutEvidence(batch, tokenizer.eosId);
  await trainSteps(constant, STEPS, (step) => blind(sampler.batch(step)), STEPS);
  const fixed = await loss<EpisodeRows>(constant.objective, right.map(blind));
  console.log(`CACLM: L_static ${fixed.toFixed(3)}`);
  await constant.engine.dispose();
  await engine.dispose();
  return [
    { name: 'CACLM: L_none - L_phi', value: none - phi, above: 0 },
    { name: 'CACLM: L_static - L_phi', value: fixed - phi, above: 0 },
    { name: 'CACLM: first L_wrong - L_phi', value: information[0], above: 0 },
    ...information.slice(1).map((value, i) => ({ name: `CACLM: growth of L_wrong - L_phi at check ${i + 2}`, value: value - information[i], above: 0 })),
  ];
}
