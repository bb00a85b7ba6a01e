// Prints the error of opening the device that is named, or null.
import { createRequire } from 'node:module';
import path from 'node:path';
import { HyperT5 } from 'hypertune-native';

const weights = path.join(path.dirname(createRequire(import.meta.url).resolve('hypertune-native/package.json')), 'weights/tiny');
try {
  await (await HyperT5.load(weights, { device: process.argv[2] })).dispose();
  console.log('null');
} catch ({ code, field, message, remedy }) {
  console.log(JSON.stringify({ code, field, message, remedy }));
}
