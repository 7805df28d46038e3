import { ordinal } from '#src/page/format';
import type { Answer } from '#src/page/state/api';

const OUTCOMES = {
  cancelled: 'The job was cancelled before it began.',
  stopping: 'The job is being stopped.',
  ended: 'That job has ended already.',
  unknown: 'There is no such job.',
  nothing: 'Nothing waits or runs in this conversation.',
};

/** What is answered at once: help, the queue, a cancellation, one's own settings. */
export function ToldView({ answer }: { answer: Exclude<Answer, { id: string }> }) {
  switch (answer.command) {
    case 'help':
      return <HelpText text={answer.text} />;
    case 'settings':
      return <HelpText text={answer.text} />;
    case 'cancel':
      return <p class="answer-text">{OUTCOMES[answer.outcome]}</p>;
    case 'queue':
      return (
        <div class="told-now">
          <table>
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col">Running</th>
                <th scope="col">Waiting</th>
              </tr>
            </thead>
            <tbody>
              {Object.entries(answer.queues).map(([name, { active, waiting }]) => (
                <tr key={name}>
                  <th scope="row">{name === 'text' ? 'Answers' : name === 'music' ? 'Music' : name}</th>
                  <td>{active}</td>
                  <td>{waiting}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <p class="aside">
            {answer.jobs.length === 0
              ? 'Nothing of this conversation waits or runs.'
              : `Of this conversation: ${answer.jobs
                  .map(
                    ({ command, state, position }) =>
                      `/${command} ${state === 'active' ? 'runs' : `is ${ordinal(position)} in line`}`,
                  )
                  .join(', ')}.`}
          </p>
        </div>
      );
  }
}

/** Help comes as plain lines; what stands before the first colon is set apart where it is something to type. */
function HelpText({ text }: { text: string }) {
  return (
    <div class="told-now help">
      {text.split('\n').map((line) => {
        const typed = /^((?:\/|--)[^:]*): (.*)$/.exec(line);
        return (
          <p key={line}>
            {typed === null ? (
              line
            ) : (
              <>
                <code>{typed[1]}</code>
                <span>{typed[2]}</span>
              </>
            )}
          </p>
        );
      })}
    </div>
  );
}
