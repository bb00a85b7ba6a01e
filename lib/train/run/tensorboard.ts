/**
 * TensorBoard event files: TFRecord frames (length, its checksum, data, its checksum; checksums are masked CRC-32C as
 * tensorflow/core/lib/hash/crc32c.h defines them) around Event messages (tensorflow/core/util/event.proto).
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { fileError } from '../../files/io.ts';

/** CRC-32C (Castagnoli), reflected polynomial. */
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  return c >>> 0;
});

export function crc32c(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Masked, so that a checksum of data that holds checksums stays one. */
function masked(bytes: Uint8Array): number {
  const c = crc32c(bytes);
  return (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0;
}

function frame(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(16 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length, true);
  view.setUint32(8, masked(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return out;
}

/** Fields of a protocol buffer message, by wire type. */
class Message {
  private readonly bytes: number[] = [];

  varint(field: number, value: number): this {
    return this.number(field * 8).number(value);
  }

  double(field: number, value: number): this {
    return this.fixed(field * 8 + 1, new Uint8Array(Float64Array.of(value).buffer));
  }

  float(field: number, value: number): this {
    return this.fixed(field * 8 + 5, new Uint8Array(Float32Array.of(value).buffer));
  }

  part(field: number, content: Uint8Array | string): this {
    const data = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    return this.number(field * 8 + 2).number(data.length).add(data);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }

  private fixed(key: number, data: Uint8Array): this {
    return this.number(key).add(data);
  }

  private number(value: number): this {
    for (let rest = value; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) return this.add([rest]);
      this.bytes.push((rest % 128) + 128);
    }
  }

  private add(data: Iterable<number>): this {
    for (const byte of data) this.bytes.push(byte);
    return this;
  }
}

/** The first record of an event file. `time` in seconds since 1970. */
export function versionRecord(time: number): Uint8Array {
  return frame(new Message().double(1, time).part(3, 'brain.Event:2').done());
}

/** One step's scalars. */
export function scalarRecord(time: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array {
  const summary = new Message();
  for (const [tag, value] of Object.entries(scalars)) summary.part(1, new Message().part(1, tag).float(2, value).done());
  const event = new Message().double(1, time);
  if (step !== 0) event.varint(2, step); // proto3 leaves out what has its default value
  return frame(event.part(5, summary.done()).done());
}

/** An event file that is written anew by every process of a run, so that no step is in it twice. */
export class EventFile {
  private readonly file: string;
  private readonly handle: FileHandle;

  private constructor(file: string, handle: FileHandle) {
    this.file = file;
    this.handle = handle;
  }

  static async create(file: string, time: number): Promise<EventFile> {
    try {
      const events = new EventFile(file, await open(file, 'w'));
      await events.handle.appendFile(versionRecord(time));
      return events;
    } catch (cause) {
      throw fileError(cause, file, 'write');
    }
  }

  async add(time: number, step: number, scalars: Readonly<Record<string, number>>): Promise<void> {
    try {
      await this.handle.appendFile(scalarRecord(time, step, scalars));
    } catch (cause) {
      throw fileError(cause, this.file, 'write');
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
