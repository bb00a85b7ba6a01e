// npm run check:learning: does training teach a hypermodel to adapt? Small runs on the bundled T5, a few minutes on two cores.
// Exits with 1 where a bound is missed.
import { learnContext } from './learning/context.ts';
import { report } from './learning/report.ts';
import { learnSymbols } from './learning/symbols.ts';

const folder = 'weights/tiny';
const bounds = [...(await learnSymbols(folder)), ...(await learnContext(folder))];
if (!report(bounds)) process.exitCode = 1;
