/** A source of uniform numbers in [0, 1). */
export type Random = () => number;

/**
 * A seeded source: xoshiro128** (Blackman and Vigna 2018), its state filled by splitmix32 from the seed and the
 * stream's name. Streams ("language", "music") of one seed are independent of each other, so that a longer answer
 * does not change the music that follows it.
 */
export function createRandom(seed: number, stream: string): Random {
  let mixer = (seed ^ fnv1a(stream)) >>> 0;
  const splitmix = () => {
    mixer = (mixer + 0x9e3779b9) >>> 0;
    let z = mixer;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix();
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result / 4294967296;
  };
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
