import { useState } from 'preact/hooks';
import { guessKind } from '#src/page/format';
import type { Example } from '#src/page/state/api';
import { examples } from '#src/page/state/server';
import { useStore } from '#src/page/state/store';
import { useFirstFrame } from './first-frame.ts';
import { FilmIcon, NoteIcon, SendIcon } from './icons.tsx';

/** What a new conversation shows: what can be done here, and things to try. */
export function EmptyState({ onTry }: { onTry(line: string, files: File[]): void }) {
  const offered = useStore(examples);
  const [problem, setProblem] = useState('');
  const take = async ({ line, file }: Example) => {
    try {
      onTry(line, file === undefined ? [] : [await download(file)]);
      setProblem('');
    } catch {
      setProblem('This example could not be fetched.');
    }
  };
  return (
    <section class="empty" aria-labelledby="empty-title">
      <h1 id="empty-title">Bring a song, a picture or a clip.</h1>
      <p>
        Ask what is in it, have music made for it, or say how it should change. Drop files anywhere; type{' '}
        <kbd>/</kbd> for commands.
      </p>
      {offered.length > 0 && (
        <ul class="examples" aria-label="Examples to try">
          {offered.map((example) => (
            <li key={`${example.title} ${example.line}`}>
              <button type="button" class="example" onClick={() => void take(example)}>
                <Cover example={example} />
                <span class="example-words">
                  <strong>{example.title}</strong>
                  <span>{example.line}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {problem !== '' && (
        <p class="failure-words" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}

function Cover({ example }: { example: Example }) {
  const { file } = example;
  const kind = file === undefined ? undefined : guessKind(file.name, '');
  if (file !== undefined && kind === 'image') {
    return (
      <span class="thumbnail">
        <img src={file.url} alt="" loading="lazy" />
      </span>
    );
  }
  if (file !== undefined && kind === 'video') return <ClipCover url={file.url} />;
  return <span class="thumbnail">{kind === 'audio' ? <NoteIcon /> : <SendIcon />}</span>;
}

function ClipCover({ url }: { url: string }) {
  const frame = useFirstFrame(url);
  return (
    <span class="thumbnail">
      {frame !== undefined && frame !== 'broken' && <img src={frame.picture} alt="" />}
      <FilmIcon />
    </span>
  );
}

async function download(file: { name: string; url: string }): Promise<File> {
  const response = await fetch(file.url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const bytes = await response.blob();
  return new File([bytes], file.name, { type: bytes.type });
}
