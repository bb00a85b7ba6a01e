/** What a run leaves behind beside its model: metrics.jsonl, curves.svg and, where asked for, TensorBoard events. */
import path from 'node:path';
import { atomicWrite } from '../../files/atomic.ts';
import { lossCurve } from '../loss-curve.ts';
import type { TrainingStep } from '../loop.ts';
import type { RunConfig } from './config.ts';
import { MetricsFile, isValidation } from './metrics.ts';
import type { MetricRecord } from './metrics.ts';
import { EventFile } from './tensorboard.ts';
import type { Validation } from './validation.ts';

const EVENTS = 'events.out.tfevents.hypertune';

export class RunLog {
  private readonly title: string;
  private readonly folder: string;
  private readonly metrics: MetricsFile;
  private readonly events: EventFile | undefined;

  private constructor({ output }: RunConfig, metrics: MetricsFile, events: EventFile | undefined) {
    this.title = path.basename(output);
    this.folder = output;
    this.metrics = metrics;
    this.events = events;
  }

  /** Opens the log behind the first `steps` steps. */
  static async open(config: RunConfig, steps: number): Promise<RunLog> {
    const metrics = await MetricsFile.open(path.join(config.output, 'metrics.jsonl'), steps);
    if (!config.metrics.tensorboard) return new RunLog(config, metrics, undefined);
    const events = await EventFile.create(path.join(config.output, EVENTS), metrics.records[0]?.time ?? Date.now() / 1000);
    for (const record of metrics.records) await addEvent(events, record);
    return new RunLog(config, metrics, events);
  }

  async step(step: TrainingStep): Promise<void> {
    await this.add(step);
  }

  /** `step`: steps done. */
  async validation(step: number, validation: Validation): Promise<void> {
    await this.add({ step, validation });
  }

  /** Everything so far on disk, and the curves drawn anew. */
  async sync(): Promise<void> {
    await this.metrics.sync();
    await atomicWrite(path.join(this.folder, 'curves.svg'), this.curves());
  }

  async close(): Promise<void> {
    await this.metrics.close();
    await this.events?.close();
  }

  private async add(entry: TrainingStep | { step: number; validation: Validation }): Promise<void> {
    const record = await this.metrics.append(entry);
    if (this.events) await addEvent(this.events, record);
  }

  private curves(): string {
    const { records } = this.metrics;
    const steps = records.filter((r) => !isValidation(r)) as TrainingStep[];
    const validations = records.filter(isValidation);
    const names = (list: readonly { parts: readonly { name: string }[] }[]) => list[0]?.parts.map(({ name }) => name) ?? [];
    return lossCurve(this.title, [
      ...names(steps).map((name, i) => ({ name, steps: steps.map((s) => s.step), values: steps.map((s) => s.parts[i].loss) })),
      ...names(validations.map((v) => v.validation)).map((name, i) => ({ name: `${name}, validation`, steps: validations.map((v) => v.step), values: validations.map((v) => v.validation.parts[i].loss) })),
    ]);
  }
}

async function addEvent(events: EventFile, record: MetricRecord): Promise<void> {
  const losses = (prefix: string, { loss, parts }: { loss: number; parts: readonly { name: string; loss: number }[] }) =>
    Object.fromEntries([[`${prefix}/loss`, loss], ...(parts.length > 1 ? parts.map((p) => [`${prefix}/loss/${p.name}`, p.loss] as const) : [])]) as Record<string, number>;
  if (isValidation(record)) {
    const scores = Object.entries(record.validation.scores ?? {}).map(([name, value]) => [`validation/${name}`, value]);
    return events.add(record.time, record.step, { ...losses('validation', record.validation), ...(Object.fromEntries(scores) as Record<string, number>) });
  }
  const { norm, lr, tokensPerSecond } = record;
  await events.add(record.time, record.step, { ...losses('train', record), 'train/norm': norm, 'train/lr': lr, 'train/tokens_per_second': tokensPerSecond });
}
