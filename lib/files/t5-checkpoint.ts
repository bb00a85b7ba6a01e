import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { expectedTensors, toleratedTensors } from '../t5/tensor-names.ts';
import type { Shape } from '../t5/tensor-names.ts';
import type { Checkpoint } from './checkpoint.ts';
import { isFloatDtype } from './dtypes.ts';
import { quote } from './json.ts';
import type { TensorLocation } from './safetensors.ts';

const HEAD = 'lm_head.weight';
const SHARED = 'shared.weight';

export interface T5Checkpoint {
  /** As given, with `tieWordEmbeddings` settled by what the checkpoint holds. */
  config: T5Config;
  /** Exactly the tensors of `expectedTensors(config)`, located on disk. */
  tensors: Map<string, TensorLocation>;
  /** Names of tolerated tensors that carry nothing new. */
  ignored: string[];
}

/**
 * Holds a checkpoint against its configuration: every expected tensor present with its shape and a float dtype, nothing
 * unknown beside them. Throws TENSOR_MISSING, TENSOR_SHAPE, TENSOR_DTYPE or TENSOR_UNEXPECTED, naming the tensor.
 *
 * Whether the head is tied is settled here. Newer Hugging Face writers store `tie_word_embeddings: true` for every T5 and
 * load a `lm_head.weight` that differs from `shared.weight` as a head of its own; so do we.
 */
export async function checkCheckpoint(config: T5Config, checkpoint: Checkpoint): Promise<T5Checkpoint> {
  const untied = !config.tieWordEmbeddings || (await hasOwnHead(config, checkpoint));
  const settled: T5Config = { ...config, tieWordEmbeddings: !untied };

  const expected = expectedTensors(settled);
  const tensors = new Map<string, TensorLocation>();
  for (const [name, shape] of expected) {
    const found = checkpoint.tensors.get(name);
    if (found === undefined) {
      throw new HypertuneError('TENSOR_MISSING', `${checkpoint.dir} has no ${name}, which its config.json calls for.`, {
        field: name,
        remedy: 'Check that config.json and the weights belong together.',
      });
    }
    checkTensor(found, shape);
    tensors.set(name, found);
  }

  const { copiesOfShared, ignored } = toleratedTensors(settled);
  const extras = [...checkpoint.tensors.values()].filter(({ name }) => !expected.has(name));
  for (const extra of extras) {
    const copyShape = extra.name === HEAD ? expected.get(SHARED) : copiesOfShared.get(extra.name);
    const shape = copyShape ?? ignored.get(extra.name);
    if (shape === undefined) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${extra.path} holds ${quote(extra.name)}, which this model does not have.`, {
        field: extra.name,
        remedy: 'Check that config.json and the weights belong together.',
      });
    }
    checkTensor(extra, shape);
    if (copyShape !== undefined && !(await sameBytes(checkpoint, extra.name, SHARED))) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${extra.name} differs from ${SHARED}, which it should repeat.`, {
        field: extra.name,
        remedy: 'Separate encoder and decoder embeddings are not T5.',
      });
    }
  }
  return { config: settled, tensors, ignored: extras.map(({ name }) => name) };
}

async function hasOwnHead(config: T5Config, checkpoint: Checkpoint): Promise<boolean> {
  const head = checkpoint.tensors.get(HEAD);
  if (head === undefined || !checkpoint.tensors.has(SHARED)) return false;
  checkTensor(head, [config.vocabSize, config.dModel]);
  return !(await sameBytes(checkpoint, HEAD, SHARED));
}

async function sameBytes(checkpoint: Checkpoint, a: string, b: string): Promise<boolean> {
  if (checkpoint.tensors.get(a)!.dtype !== checkpoint.tensors.get(b)!.dtype) return false;
  return Buffer.compare(await checkpoint.read(a), await checkpoint.read(b)) === 0;
}

function checkTensor(tensor: TensorLocation, shape: Shape): void {
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
    throw new HypertuneError(
      'TENSOR_SHAPE',
      `${tensor.name} has shape [${tensor.shape.join(', ')}]; config.json calls for [${shape.join(', ')}].`,
      { field: tensor.name },
    );
  }
  if (!isFloatDtype(tensor.dtype)) {
    throw new HypertuneError('TENSOR_DTYPE', `${tensor.name} is ${tensor.dtype}; weights are F32, F16 or BF16.`, {
      field: tensor.name,
    });
  }
}
