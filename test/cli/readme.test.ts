/** Runs what the README shows, as its readers would: programs and commands, in a folder with the shipped weights and examples. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { MAIN, ROOT, temporaryFolder } from './support.ts';

const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
const blocks = (language: string) => [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((m) => m[1]);
const programs = blocks('ts');
const commands = blocks('sh').flatMap((block) => block.split('\n')).filter((line) => line.includes('npx hypertune'));

const dir = await temporaryFolder();
for (const name of ['weights', 'examples', 'node_modules']) await symlink(path.join(ROOT, name), path.join(dir, name));
const runs = (command: string, args: string[]) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: dir, encoding: 'utf8' });
  return { status, stdout, stderr };
};

test('there is something to run', () => {
  expect(programs.length).toBeGreaterThan(1);
  expect(commands.length).toBeGreaterThan(3);
});

test.each(programs.map((program, i) => [i + 1, program]))('program %i runs', async (i, program) => {
  const file = path.join(dir, `program${i}.mts`);
  await writeFile(file, String(program).replaceAll("'hypertune-native'", `'${path.join(ROOT, 'lib/index.ts')}'`));
  const { status, stdout, stderr } = runs(process.execPath, ['--import', 'tsx', file]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.trim()).not.toBe('');
});

test.each(commands)('%s', (line) => {
  const node = [process.execPath, ...MAIN].map((word) => `'${word}'`).join(' ');
  const { status, stdout, stderr } = runs('bash', ['-c', line.replace('npx hypertune', node)]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.trim()).not.toBe('');
});
