// Compiled, not run: require() from a strict TypeScript project.
import hypertune = require('hypertune-native');

export const load: (folder: string) => Promise<hypertune.HyperT5> = (folder) => hypertune.HyperT5.load(folder);
// @ts-expect-error there is no such name
export const none = hypertune.NoSuchName;
