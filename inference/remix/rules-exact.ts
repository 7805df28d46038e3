/**
 * Rules that turn one clause into exact steps. The first that answers wins, so the narrow ones stand first.
 */
import { pitch } from '#inference/remix/rules-pitch';
import { loudness, parts, reverb, tone } from '#inference/remix/rules-sound';
import {
  nightcore,
  slowedReverb,
  stretchTo,
  tempo,
  tempoInBpm,
  varispeed,
} from '#inference/remix/rules-tempo';
import { fade, loop, reverse, trimTo } from '#inference/remix/rules-time';
import type { Rule } from '#inference/remix/rules-words';

/** All rules, narrowest first. */
export const EXACT_RULES: readonly Rule[] = [
  slowedReverb,
  nightcore,
  varispeed,
  tempoInBpm,
  stretchTo,
  fade,
  loop,
  trimTo,
  reverse,
  parts,
  pitch,
  reverb,
  tone,
  loudness,
  tempo,
];
