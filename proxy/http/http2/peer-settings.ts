// [w] What the peer announced in SETTINGS (RFC 9113 §6.5.2), and whether it may say so.
import {
  DEFAULT_HEADER_TABLE_BYTES,
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  Setting,
} from './protocol.ts';

/** What RFC 9113 §6.5.2 recommends as the least. More would only be refused by those who allow no more. */
const ASSUMED_STREAMS = 100;
const MAX_FRAME_SIZE_LIMIT = 0xff_ffff;

export class PeerSettings {
  headerTableBytes = DEFAULT_HEADER_TABLE_BYTES;
  /** Streams we may open. Until the peer spoke, as many as every sensible one takes; then no limit unless it told one. */
  maxConcurrentStreams = ASSUMED_STREAMS;
  initialWindowBytes = DEFAULT_WINDOW_BYTES;
  #spoken = false;

  /** One frame: of a setting that is there twice, the last one counts. */
  read(bytes: Buffer, start: number, end: number): ErrorCode {
    if (!this.#spoken) this.maxConcurrentStreams = Infinity;
    this.#spoken = true;
    for (let at = start; at < end; at += 6) {
      const error = this.#set((bytes[at]! << 8) | bytes[at + 1]!, bytes.readUInt32BE(at + 2));
      if (error !== ErrorCode.NoError) return error;
    }
    return ErrorCode.NoError;
  }

  #set(id: number, value: number): ErrorCode {
    switch (id) {
      case Setting.HeaderTableSize:
        this.headerTableBytes = value;
        return ErrorCode.NoError;
      case Setting.EnablePush:
      case Setting.EnableConnectProtocol:
        // We push nothing, and try an extended CONNECT whatever the server says, as Envoy does.
        return value > 1 ? ErrorCode.ProtocolError : ErrorCode.NoError;
      case Setting.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return ErrorCode.NoError;
      case Setting.InitialWindowSize:
        if (value > MAX_WINDOW_BYTES) return ErrorCode.FlowControlError;
        this.initialWindowBytes = value;
        return ErrorCode.NoError;
      case Setting.MaxFrameSize:
        // We send no frame larger than the least that a peer must take.
        return value < MAX_FRAME_BYTES || value > MAX_FRAME_SIZE_LIMIT
          ? ErrorCode.ProtocolError
          : ErrorCode.NoError;
      default:
        return ErrorCode.NoError;
    }
  }
}
