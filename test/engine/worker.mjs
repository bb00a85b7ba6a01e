// `--import tsx` does not reach the entry file of a worker thread; this one does it by hand.
import { tsImport } from 'tsx/esm/api';

await tsImport('./child.ts', import.meta.url);
