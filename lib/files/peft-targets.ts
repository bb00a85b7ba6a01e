import type { LoraConfig, ModuleSelector } from './peft-config.ts';
import { compilePattern } from './pattern.ts';
import type { MatchBudget } from './pattern.ts';

type PathTest = (path: string) => boolean;

/** Enough for a pattern per module of the largest T5; a hostile file gets a few seconds and then CONFIG_UNSUPPORTED. */
export const CONFIG_BUDGET = 20_000_000;

/**
 * PEFT's rule for which modules an adapter sits on. A list entry matches a path that equals it or ends in "." + entry;
 * a string is a regular expression for the whole path; `layers_to_transform` looks at the first number in the path, and
 * only where the targets are a list and the path is not named whole.
 */
export function targetTest(config: LoraConfig, isHead: PathTest, budget: MatchBudget): PathTest {
  const excluded = selectorTest(config.excluded, 'exclude_modules', budget);
  if (config.targets === 'all-linear') return (path) => !excluded(path) && !isHead(path);
  const targeted = selectorTest(config.targets, 'target_modules', budget);
  const named = new Set(Array.isArray(config.targets) ? config.targets : []);
  const inLayers = typeof config.targets === 'string' ? () => true : layerTest(config, budget);
  return (path) => !excluded(path) && (named.has(path) || (targeted(path) && inLayers(path)));
}

function selectorTest(selector: ModuleSelector, field: string, budget: MatchBudget): PathTest {
  if (typeof selector === 'string') return selector === '' ? () => false : compilePattern(selector, field, budget);
  return (path) => selector.some((entry) => path === entry || path.endsWith(`.${entry}`));
}

function layerTest({ layers, layersPattern }: LoraConfig, budget: MatchBudget): PathTest {
  if (layers === undefined) return () => true;
  const containers = layersPattern.map((pattern) => compilePattern(`(?:.*?\\.)?(?:${pattern})`, 'layers_pattern', budget));
  return (path) => {
    const parts = path.split('.');
    const at = parts.findIndex((part, i) => {
      if (!/^\d+$/.test(part) || i === parts.length - 1) return false;
      // Without a pattern the number must have two names before it, as in decoder.block.3.
      return containers.length === 0 ? i >= 2 : containers.some((matches) => matches(parts.slice(0, i).join('.')));
    });
    return at >= 0 && layers.includes(Number(parts[at]));
  };
}

/** The value of the first pattern that matches the end of a module's path, else the default. */
export function patternValue(
  patterns: [string, number][],
  field: string,
  fallback: number,
  budget: MatchBudget,
): (path: string) => number {
  const tests = patterns.map(([pattern, value]) => ({ matches: endTest(pattern, field, budget), value }));
  return (path) => tests.find(({ matches }) => matches(path))?.value ?? fallback;
}

function endTest(pattern: string, field: string, budget: MatchBudget): PathTest {
  // Ragged adapters have a pattern per module, each a plain path: no need for the matcher.
  if (/^(?:\w|\\\.)+$/.test(pattern)) {
    const path = pattern.replaceAll('\\.', '.');
    return (candidate) => candidate === path || candidate.endsWith(`.${path}`);
  }
  return compilePattern(`(.*\\.)?(${pattern})`, field, budget);
}
