/** LoRA written into the weights it was trained beside. */
import path from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import type { AdapterFile, LoraModule } from '../files/adapter-file.ts';
import { makeFolder } from '../files/io.ts';
import type { LoadedT5 } from '../files/load-t5.ts';
import { writeSafetensors } from '../files/safetensors-write.ts';
import { writeT5Config } from '../files/t5-config-file.ts';

/** Writes config.json and model.safetensors (F32) with W + scale B A in place of W. Throws ADAPTER_MISMATCH for other kinds, CONFIG_UNSUPPORTED for int8 weights. */
export async function mergeLora({ config, parameters }: LoadedT5, adapter: AdapterFile, dir: string): Promise<void> {
  if (adapter.kind !== 'lora') throw new HypertuneError('ADAPTER_MISMATCH', `an adapter of kind ${adapter.kind} cannot be merged into weights.`, { field: 'adapter', remedy: 'Only LoRA is a change of weights.' });
  if (parameters.int8) throw new HypertuneError('CONFIG_UNSUPPORTED', 'int8 weights cannot be merged into.', { field: 'dtype', remedy: "Load the model as 'f32' or 'bf16' to merge." });
  const modules = new Map(adapter.modules.map((m) => [`${m.path}.weight`, m]));
  await makeFolder(dir);
  await writeSafetensors(path.join(dir, 'model.safetensors'), parameters.all().map(({ name, shape, buffer }) => ({
    name, shape, dtype: 'F32' as const,
    data: async () => {
      const w = Float32Array.from(await parameters.engine.read(buffer));
      const module = modules.get(name);
      if (module) addLowRank(w, module);
      return w;
    },
  })));
  await writeT5Config(path.join(dir, 'config.json'), config);
}

/** w [out, in] += scale b [out, r] a [r, in]. */
function addLowRank(w: Float32Array, { a, b, rank, inFeatures, outFeatures, scale }: LoraModule): void {
  for (let o = 0; o < outFeatures; o++) {
    for (let i = 0; i < inFeatures; i++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += b[o * rank + r] * a[r * inFeatures + i];
      w[o * inFeatures + i] += scale * sum;
    }
  }
}
