/** What rules of several kinds look for: directions, fractions, and whether a percentage is a share or a change. */
import { type Clause, group } from '#inference/remix/clause';
import type { ExactStep } from '#inference/remix/plan';

/**
 * Turns one clause (lower case, one wish) into exact steps; undefined where it is about something else.
 */
export type Rule = (clause: Clause) => ExactStep[] | undefined;

export const SPEED = /\b(?:speed|tempo|pace|bpm)\b/;
/** A number that is no article: "a bpm of 90". */
export const DIGITS = '([+-]?\\d+(?:[.,]\\d+)?)';

export const RAISING = /\b(?:raise|raised|increase|increased|up|more|add|plus|boost|accelerate|higher)\b/;
export const LOWERING =
  /\b(?:lower|lowered|reduce|reduced|decrease|decreased|reduction|drop|down|cut|less|minus|decelerate)\b|\btake\b.*\boff\b|(?:^|\s)-\s?\d/;

const FRACTIONS: Readonly<Record<string, number>> = { half: 0.5, third: 1 / 3, quarter: 0.25 };

/** A part of the whole in words: "by a third", "a quarter faster". */
export function fractionOf(clause: Clause): number | undefined {
  const found = clause.find('\\b(?:by |an? |one )+(half|third|quarter)\\b');
  return found === undefined ? undefined : FRACTIONS[group(found, 1)];
}

/**
 * Whether a percentage says what is left, not what is added or taken: "volume 50 %", "to 80 %", "80 % of the speed",
 * against "volume +10 %", "10 % faster".
 */
export function isWhole(clause: Clause, noun: string, hasDirection: boolean): boolean {
  if (clause.has(/\b(?:to|at)\s+(?:just |only |about )?[\d.,]+\s*%/)) return true;
  if (
    clause.has(
      new RegExp(
        `% (?:of )?(?:(?:the|its) )?(?:original |normal |full |current )?(?:${noun})\\b(?! (?:up|down|increase|boost|decrease|reduction))|% as `,
      ),
    )
  )
    return true;
  return !hasDirection && !clause.has(/(?:^|\s)[+-]\s?\d/) && !clause.has(/\bby\b/);
}
