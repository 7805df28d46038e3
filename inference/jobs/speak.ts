import type { RequestOptions } from '#contracts/request';
import type { JobRun } from '#inference/jobs/run';
import { certaintyNote, sentencesIn } from '#inference/language/certainty';
import type { Answer } from '#inference/language/model';
import { buildPrompt } from '#inference/language/prompt';
import type { Stack } from '#inference/stack';
import type { Features } from '#inference/understanding/perception';

/**
 * Puts an instruction to the language model with what was heard and seen, and streams the answer.
 * `prefix` stands before the streamed text (answers about other files that came first).
 * @throws MumuError cancelled, damaged_pack
 */
export async function speak(
  run: JobRun,
  stack: Stack,
  options: {
    instruction: string;
    features: Features;
    sampling: RequestOptions;
    music: 'never' | 'wanted';
    prefix?: string;
    /** The answer is for the engine, not for the user: it is not streamed. */
    silent?: boolean;
  },
): Promise<Answer> {
  const { manifest, tokenizer, perception } = stack;
  const { sampling, prefix = '' } = options;
  run.stage('language', 0);
  const language = await stack.language();
  return run.timed('language', async () => {
    const injection = await perception.injection(options.features);
    const { context, injectedLayers } = manifest.language;
    const prompt = buildPrompt(tokenizer, manifest.prompt.template, options.instruction, context);
    for (const note of prompt.notes) run.note(note);
    const answer = await language.answer({
      prompt: prompt.ids,
      injection,
      injectedLayers,
      temperature: sampling.temperature ?? manifest.sampling.temperature,
      topP: sampling.topP ?? manifest.sampling.topP,
      maxTokens: manifest.sampling.maxTokens,
      stop: manifest.prompt.stop,
      seed: run.seed,
      music: options.music,
      ...(options.silent ? {} : { onText: (text: string) => run.text(prefix + text) }),
      onProgress: (fraction) => run.stage('language', fraction),
      signal: run.signal,
    });
    run.count('tokens', answer.tokens.length);
    if (answer.cut && !options.silent)
      run.note('The answer was longer than this model may write, so it ends early.');
    const perceived = Object.keys(options.features).length > 0;
    if (perceived && options.music === 'never' && answer.certainty !== null)
      run.note(certaintyNote(answer.certainty, sentencesIn(answer.text)));
    return answer;
  });
}
