// A child process that starts a save, reports when half of it is on disk, and never ends by itself.
import { writeSafetensors } from '../../lib/files/safetensors-write.ts';

const half = new Uint8Array(1 << 20).fill(0xee);

async function hang(): Promise<never> {
  setInterval(() => undefined, 1 << 30);
  process.stdout.write('half\n');
  return new Promise<never>(() => undefined);
}

void writeSafetensors(process.argv[2], [
  { name: 'a', dtype: 'U8', shape: [half.byteLength], data: half },
  { name: 'b', dtype: 'U8', shape: [half.byteLength], data: hang },
]);
