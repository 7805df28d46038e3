/** One matrix quantised in blocks along its rows, as onnxruntime's MatMulNBits wants it. */
export interface BlockQuantised {
  /** uint8 [rows, blocks, blockSize * bits / 8]; two 4 bit numbers a byte, the earlier one in the low half. */
  numbers: Uint8Array;
  /** float [rows * blocks]. */
  scales: Float32Array;
}

/**
 * Quantises a matrix [rows, columns] symmetrically: each block of `blockSize` numbers of a row has one scale, zero
 * is kept exactly (stored as 8 at 4 bits, 128 at 8 bits, which is what the operator assumes when no zero points are
 * given). The block's number of largest magnitude lands on the side that has one step more, so 4 bits use all of
 * -8..7.
 */
export function quantiseBlocks(
  numbers: Float32Array,
  rows: number,
  columns: number,
  bits: 4 | 8,
  blockSize: number,
): BlockQuantised {
  const blocks = Math.ceil(columns / blockSize);
  const zero = 1 << (bits - 1);
  const blockBytes = (blockSize * bits) / 8;
  // Columns beyond the matrix (a last block that is not full) hold zero.
  const packed = new Uint8Array(rows * blocks * blockBytes).fill(bits === 4 ? 0x88 : zero);
  const scales = new Float32Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * columns + block * blockSize;
      const end = Math.min(start + blockSize, (row + 1) * columns);
      const scale = blockScale(numbers, start, end, zero);
      const inverse = scale === 0 ? 0 : 1 / scale;
      const target = (row * blocks + block) * blockBytes;
      scales[row * blocks + block] = scale;
      for (let index = start; index < end; index++) {
        const level = Math.round((numbers[index] as number) * inverse) + zero;
        const stored = Math.max(0, Math.min(2 * zero - 1, level));
        const place = index - start;
        if (bits === 8) packed[target + place] = stored;
        else {
          const byte = target + (place >> 1);
          const old = packed[byte] as number;
          packed[byte] = place & 1 ? (old & 0x0f) | (stored << 4) : (old & 0xf0) | stored;
        }
      }
    }
  }
  return { numbers: packed, scales };
}

/** Scale at which the number of largest magnitude becomes exactly -zero (so the scale may be negative). */
function blockScale(numbers: Float32Array, start: number, end: number, zero: number): number {
  let largest = 0;
  for (let index = start; index < end; index++) {
    const number = numbers[index] as number;
    if (Math.abs(number) > Math.abs(largest)) largest = number;
  }
  return largest / -zero;
}

/** One matrix quantised with one scale per output column, for DynamicQuantizeMatMul. */
export interface ColumnQuantised {
  /** int8 [in, out]. */
  numbers: Int8Array;
  /** float [out]. */
  scales: Float32Array;
}

/**
 * Largest magnitude of a column's number. Seven bits and not eight: processors with AVX2 but without VNNI add two
 * products with uint8 activations in 16 bits that saturate, and 2 * 255 * 64 is the most that fits them. With 127 the
 * products came out wrong by a fifth there, and silently.
 */
const COLUMN_LEVELS = 64;

/** Quantises a torch weight [out, in] to int8 [in, out] (-64..64) with one symmetric scale per output. */
export function quantiseColumns(numbers: Float32Array, out: number, inner: number): ColumnQuantised {
  const stored = new Int8Array(numbers.length);
  const scales = new Float32Array(out);
  for (let row = 0; row < out; row++) {
    let largest = 0;
    for (let column = 0; column < inner; column++) {
      largest = Math.max(largest, Math.abs(numbers[row * inner + column] as number));
    }
    const scale = largest / COLUMN_LEVELS;
    const inverse = scale === 0 ? 0 : 1 / scale;
    scales[row] = scale;
    for (let column = 0; column < inner; column++) {
      stored[column * out + row] = Math.round((numbers[row * inner + column] as number) * inverse);
    }
  }
  return { numbers: stored, scales };
}
