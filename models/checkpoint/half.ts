let float16Table: Float32Array | undefined;

/** Every half precision number as a float: 65,536 entries, so that conversion is one lookup. */
function tableOfHalves(): Float32Array {
  if (float16Table) return float16Table;
  const table = new Float32Array(1 << 16);
  for (let bits = 0; bits < table.length; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  float16Table = table;
  return table;
}

/** IEEE half precision (bits) to floats. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
  const table = tableOfHalves();
  const floats = new Float32Array(halves.length);
  for (let index = 0; index < halves.length; index++)
    floats[index] = table[halves[index] as number] as number;
  return floats;
}

/** bfloat16 (bits) to floats: the upper half of the float's own bits. */
export function bfloat16ToFloat32(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let index = 0; index < halves.length; index++) bits[index] = (halves[index] as number) << 16;
  return new Float32Array(bits.buffer);
}

/** Floats to IEEE half precision (bits), rounded to nearest, ties to even; beyond the range becomes infinite. */
export function float32ToFloat16(floats: Float32Array): Uint16Array {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let index = 0; index < floats.length; index++) halves[index] = halfOfBits(bits[index] as number);
  return halves;
}

function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  const fraction = bits & 0x7fffff;
  if (exponent >= 31) {
    const isNan = exponent === 255 - 127 + 15 && fraction !== 0;
    return sign | 0x7c00 | (isNan ? 0x200 : 0);
  }
  if (exponent <= 0) {
    if (exponent < -10) return sign;
    // Subnormal: the implicit one becomes visible and everything moves right.
    return sign | rounded(fraction | 0x800000, 14 - exponent);
  }
  // A carry out of the fraction runs into the exponent, which is what rounding up means.
  return sign + rounded((exponent << 23) | fraction, 13);
}

/** `value >> shift`, rounded to nearest, ties to even. */
function rounded(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
