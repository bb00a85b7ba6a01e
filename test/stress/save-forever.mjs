// What test/stress/files.test.ts kills: saves two adapters by turns into one folder.
import { HyperT5 } from '../../dist/index.js';

const [folder, ...adapters] = process.argv.slice(2);
const out = adapters.pop();
const model = await HyperT5.load(folder, { device: 'cpu' });
const loaded = await Promise.all(adapters.map((dir) => model.loadAdapter(dir)));
for (let i = 0; ; i++) {
  await loaded[i % 2].save(out);
  if (i === 1) console.log('saving');
}
