// [m] Decodes the sizes of rings and maglev tables, which bound what a worker builds.
import type { MaglevConfig, RingHashConfig } from '../config/load-balancing-config.ts';
import type { FieldReader } from './field-reader.ts';

const DEFAULT_MIN_RING_SIZE = 1024;
const MAX_RING_SIZE = 8_388_608;
const DEFAULT_TABLE_SIZE = 65_537;
const MAX_TABLE_SIZE = 5_000_011;

interface RingSizes {
  minimum_ring_size?: bigint | undefined;
  maximum_ring_size?: bigint | undefined;
}

export function decodeRingSizes(
  reader: FieldReader<RingSizes> | undefined,
): Pick<RingHashConfig, 'minRingSize' | 'maxRingSize'> {
  const minRingSize =
    reader?.number('minimum_ring_size', DEFAULT_MIN_RING_SIZE, 0, MAX_RING_SIZE) ??
    DEFAULT_MIN_RING_SIZE;
  const maxRingSize =
    reader?.number('maximum_ring_size', MAX_RING_SIZE, 0, MAX_RING_SIZE) ?? MAX_RING_SIZE;
  if (minRingSize > maxRingSize) {
    reader?.problem(
      'minimum_ring_size',
      `ring hash: minimum_ring_size (${minRingSize}) > maximum_ring_size (${maxRingSize})`,
    );
  }
  return { minRingSize, maxRingSize };
}

export function decodeTableSize(
  reader: FieldReader<{ table_size?: bigint | undefined }> | undefined,
): MaglevConfig['tableSize'] {
  const size =
    reader?.number('table_size', DEFAULT_TABLE_SIZE, 0, MAX_TABLE_SIZE) ?? DEFAULT_TABLE_SIZE;
  if (!isPrime(size))
    reader?.problem('table_size', 'The table size of maglev must be prime number');
  return size;
}

function isPrime(number: number): boolean {
  if (number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++)
    if (number % divisor === 0) return false;
  return true;
}
