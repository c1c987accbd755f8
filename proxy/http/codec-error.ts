// [w] Each way a peer can break the protocol, and the reply it earns (envoy-behaviour §2.1, §1.14). Values, never
// thrown: an attacker decides how often they occur.

export interface CodecError {
  /** Status of the reply to a client; 0 where the connection is only closed. */
  readonly status: number;
  /** Reason phrase as the reply's body. */
  readonly body: string;
  /** Response code details. */
  readonly details: string;
}

const error = (status: number, body: string, details: string): CodecError => ({
  status,
  body,
  details,
});

export const CodecErrors = {
  /** Grammar: start line, field name, framing fields, chunks. */
  malformed: error(400, 'Bad Request', 'http1.codec_error'),
  invalidCharacters: error(400, 'Bad Request', 'http1.invalid_characters'),
  invalidAuthority: error(400, 'Bad Request', 'http.invalid_authority'),
  invalidUrl: error(400, 'Bad Request', 'http1.invalid_url'),
  invalidScheme: error(400, 'Bad Request', 'http1.invalid_scheme'),
  lengthAndChunked: error(400, 'Bad Request', 'http1.content_length_and_chunked_not_allowed'),
  bodyDisallowed: error(400, 'Bad Request', 'http1.body_disallowed'),
  connectionHeaderRejected: error(400, 'Bad Request', 'http1.connection_header_rejected'),
  unexpectedUnderscore: error(400, 'Bad Request', 'http1.unexpected_underscore'),
  invalidTransferEncoding: error(501, 'Not Implemented', 'http1.invalid_transfer_encoding'),
  headersTooLarge: error(431, 'Request Header Fields Too Large', 'http1.headers_too_large'),
  tooManyHeaders: error(431, 'Request Header Fields Too Large', 'http1.too_many_headers'),
  lowVersion: error(426, 'Upgrade Required', 'low_version'),
  httpsOnPlaintext: error(403, 'Forbidden', 'http1.https_url_on_plaintext_connection'),
} as const;
