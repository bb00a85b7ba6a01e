// Compiled, not run: the package as a strict TypeScript project sees it.
import { HyperT5, HypertuneError, type Adapter, type ErrorCode, type Example } from 'hypertune-native';

export async function answer(folder: string, examples: Example[]): Promise<string> {
  const model: HyperT5 = await HyperT5.load(folder, { device: 'cpu' });
  try {
    const adapter: Adapter = await model.adapt(examples, { kind: 'lora' });
    const answers: string[] = await model.generate(['one two'], { adapter, signal: AbortSignal.timeout(1000) });
    for await (const piece of model.stream('one two', { adapter })) answers.push(piece);
    // @ts-expect-error there is no such option
    await model.generate(['one two'], { adaptor: adapter });
    return answers.join('');
  } catch (error) {
    if (!(error instanceof HypertuneError)) throw error;
    const code: ErrorCode = error.code;
    // @ts-expect-error codes are a closed set
    if (code === 'NO_SUCH_CODE') return '';
    return `${code} ${error.remedy ?? ''}`;
  } finally {
    await model.dispose();
  }
}
