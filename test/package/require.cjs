// require() gives the very objects of import.
const required = require('hypertune-native');
const assert = require('node:assert');

import('hypertune-native').then((imported) => {
  assert.strictEqual(required.HyperT5, imported.HyperT5);
  console.log(JSON.stringify({ names: Object.keys(required).filter((name) => name !== '__esModule').sort() }));
});
