/** Plain text as token ids in memory: read and tokenized once, four bytes a token, whatever the size of the files. */
import { HypertuneError } from '../engine/errors.ts';
import { tokens } from './encoder.ts';
import type { TokenEncoder } from './encoder.ts';
import { parseJson } from './formats.ts';
import { lines } from './lines.ts';
import type { Line, LineOptions } from './lines.ts';
import { ProblemLog } from './task-report.ts';
import type { RecordProblem } from './task-report.ts';

export interface CorpusOptions extends LineOptions {
  /** What a document is in a text file: a line, or the lines up to a blank one. JSON Lines have one per line, in `text`. */
  documents?: 'line' | 'blank-line';
  /** Reading stops at this many tokens, and the report says so. Default 2^28, a gigabyte. */
  maxTokens?: number;
  /** Broken lines that the report names; default 20. */
  maxProblems?: number;
}

export interface CorpusReport {
  readonly files: number;
  readonly documents: number;
  readonly tokens: number;
  /** Whether everything was read; false when `maxTokens` was reached. */
  readonly complete: boolean;
  readonly broken: number;
  readonly problems: readonly RecordProblem[];
}

const CHUNK_TOKENS = 1 << 20;

/** Ids of documents end to end in chunks; no document crosses a chunk's end. */
class DocumentStore {
  readonly documents: Int32Array[] = [];
  tokens = 0;
  private chunk = new Int32Array(CHUNK_TOKENS);
  private used = 0;

  add(parts: readonly Int32Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length === 0) return;
    if (this.used + length > this.chunk.length) {
      this.chunk = new Int32Array(Math.max(CHUNK_TOKENS, length));
      this.used = 0;
    }
    const document = this.chunk.subarray(this.used, this.used + length);
    let at = 0;
    for (const part of parts) {
      document.set(part, at);
      at += part.length;
    }
    this.used += length;
    this.tokens += length;
    this.documents.push(document);
  }
}

export class TextCorpus {
  /** int32 ids of each document, no special tokens; views, not copies. None is empty. */
  readonly documents: readonly Int32Array[];
  readonly report: CorpusReport;

  private constructor(documents: readonly Int32Array[], report: CorpusReport) {
    this.documents = documents;
    this.report = report;
  }

  /** A corpus of given ids. */
  static of(documents: readonly Int32Array[]): TextCorpus {
    const kept = documents.filter((ids) => ids.length > 0);
    const sum = kept.reduce((total, ids) => total + ids.length, 0);
    return new TextCorpus(kept, { files: 0, documents: kept.length, tokens: sum, complete: true, broken: 0, problems: [] });
  }

  /**
   * Reads `*.txt`, `*.jsonl` (field `text`) and their `.gz`, in the order given. Throws FILE_NOT_FOUND, FILE_IO, FILE_TRUNCATED,
   * FILE_FORMAT (damaged gzip), EXAMPLES_EMPTY (no text at all), ARGUMENT_RANGE, ABORTED.
   */
  static async open(files: readonly string[], encoder: TokenEncoder, options: CorpusOptions = {}): Promise<TextCorpus> {
    const { maxTokens = 1 << 28, maxProblems = 20 } = options;
    if (!(maxTokens >= 1)) throw new HypertuneError('ARGUMENT_RANGE', `expected a positive number, got ${maxTokens}`, { field: 'maxTokens' });
    const [store, log] = [new DocumentStore(), new ProblemLog(false, maxProblems)];
    let complete = true;
    reading: for (const file of files) {
      log.files++;
      for await (const texts of documentsOf(file, log, encoder, options)) {
        const length = texts.reduce((sum, part) => sum + part.length, 0);
        if (store.tokens + length > maxTokens) {
          complete = false;
          break reading;
        }
        store.add(texts);
      }
    }
    if (store.documents.length === 0) {
      throw new HypertuneError('EXAMPLES_EMPTY', `no text of at most ${maxTokens} tokens in ${files.join(', ') || 'no file'}.`, { field: 'files' });
    }
    const { files: read, broken, problems } = log;
    return new TextCorpus(store.documents, { files: read, documents: store.documents.length, tokens: store.tokens, complete, broken, problems });
  }
}

async function* eachLine(file: string, options: LineOptions): AsyncGenerator<Line> {
  for await (const batch of lines(file, options)) yield* batch;
}

/** The ids of each document, as one part for each of its lines. */
async function* documentsOf(file: string, log: ProblemLog, encoder: TokenEncoder, options: CorpusOptions): AsyncGenerator<Int32Array[]> {
  const isJson = /\.jsonl(\.gz)?$/.test(file);
  const byBlankLine = !isJson && options.documents === 'blank-line';
  let document: Int32Array[] = [];
  for await (const line of eachLine(file, options)) {
    const text = 'problem' in line ? { fault: line.problem } : isJson ? jsonText(line.text) : line.text;
    if (typeof text === 'object') {
      log.add(file, line.number, text.fault);
    } else if (text.trim() === '') {
      if (document.length > 0) yield document;
      document = [];
    } else if (byBlankLine) {
      document.push(tokens(encoder, text));
    } else {
      yield [tokens(encoder, text)];
    }
  }
  if (document.length > 0) yield document;
}

function jsonText(line: string): string | { readonly fault: string } {
  if (line.trim() === '') return '';
  const parsed = parseJson(line);
  if ('fault' in parsed) return parsed;
  const text = (parsed.value as { text?: unknown } | null)?.text;
  return typeof text === 'string' ? text : { fault: 'field "text" is missing or not a string' };
}
