import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkGraphs, makeCases, type ParityCases, type ParityCheck } from './parity-case.js';
import { describeWithPython } from './python.js';

/** Largest relative difference that float32 graphs may have from PyTorch: max|a - b| / max|b|. */
export const TOLERANCE = 1e-4;
/** Python takes seconds to start, and far longer on a machine that is busy: no test is about that. */
export const PYTHON_TIMEOUT = 600_000;

/** Tests for a group of comparisons: one Python process makes their cases, one more checks their graphs. */
export function testParity(group: string, checks: readonly ParityCheck[]): void {
  describeWithPython(`${group} against PyTorch`, () => {
    let cases: ParityCases;
    beforeAll(async () => {
      cases = await makeCases(checks.map((check) => check.name));
    }, PYTHON_TIMEOUT);
    afterAll(() => cases?.close());

    it.each(checks.map((check) => ({ name: check.name, check })))('$name', async ({ check }) => {
      const results = await check.compare(cases.get(check.name));
      expect(results.length).toBeGreaterThan(0);
      for (const { what, largest, tokens } of results) {
        // Written so that NaN fails too.
        expect(largest <= TOLERANCE, `${what}: largest relative difference ${largest}`).toBe(true);
        if (tokens) expect(tokens.equal, `${what}: tokens that agree`).toBe(tokens.of);
      }
    });

    it(
      'makes graphs that ONNX itself accepts',
      async () => {
        expect(await checkGraphs(checks.flatMap((check) => check.graphs(cases.get(check.name))))).toBe('');
      },
      PYTHON_TIMEOUT,
    );
  });
}
