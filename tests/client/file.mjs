/* The files as they lie: how large, and whether what is declared is so. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const SIZE_MAX = 5 * 1024;
const path = (name) => fileURLToPath(new URL(name, import.meta.url));

test('file: it is 5 KB at most, gzipped as it lies', async () => {
  const size = gzipSync(await readFile(path('../../public/rowcast.js')), { level: 9 }).length;
  console.log(`# rowcast.js: ${size} bytes gzipped`);
  assert.ok(size <= SIZE_MAX, `${size} bytes`);
});

test('file: it needs no other', async () => {
  const text = await readFile(path('../../public/rowcast.js'), 'utf8');
  assert.doesNotMatch(text, /\bimport\b|\brequire\b|\beval\b|innerHTML|export default/);
});

test('file: the types hold under tsc --strict', async () => {
  await promisify(execFile)('tsc', ['--strict', '--noEmit', '--target', 'es2022', '--module', 'es2022', '--moduleResolution', 'node',
    '--lib', 'es2022,dom', path('types.ts')]).catch((e) => assert.fail(e.stdout || e.message));
});

test('file: what is declared is exported, and the other way round', async () => {
  const declared = [...(await readFile(path('../../public/rowcast.d.ts'), 'utf8')).matchAll(/^export (?:class|function) (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(Object.keys(await import('../../public/rowcast.js')).sort(), declared.sort());
});
