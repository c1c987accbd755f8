// [w] Handshake failures in Envoy's words: what OpenSSL calls them here, BoringSSL calls by other names and numbers there
// (envoy-behaviour §9.2). Dashboards and people know the latter.
import type { OpenSslError } from './tls-binding.ts';

/** ERR_LIB_SSL, where BoringSSL packs it. */
const SSL_LIBRARY = 16 * 0x1000000;

/** OpenSSL's reason → BoringSSL's name and number. Alerts (1000 and up) are those that a peer sent. */
const REASONS: ReadonlyMap<string, readonly [name: string, number: number]> = new Map([
  ['http request', ['HTTP_REQUEST', 156]],
  ['https proxy request', ['HTTPS_PROXY_REQUEST', 157]],
  ['wrong version number', ['WRONG_VERSION_NUMBER', 247]],
  ['unsupported protocol', ['UNSUPPORTED_PROTOCOL', 240]],
  ['unknown protocol', ['UNKNOWN_PROTOCOL', 234]],
  ['no shared cipher', ['NO_SHARED_CIPHER', 184]],
  ['no suitable key share', ['NO_SHARED_GROUP', 283]],
  ['no suitable groups', ['NO_SHARED_GROUP', 283]],
  ['no suitable signature algorithm', ['NO_COMMON_SIGNATURE_ALGORITHMS', 253]],
  ['no shared signature algorithms', ['NO_COMMON_SIGNATURE_ALGORITHMS', 253]],
  ['peer did not return a certificate', ['PEER_DID_NOT_RETURN_A_CERTIFICATE', 192]],
  ['certificate verify failed', ['CERTIFICATE_VERIFY_FAILED', 125]],
  ['no ciphers available', ['NO_CIPHERS_AVAILABLE', 175]],
  ['bad signature', ['BAD_SIGNATURE', 103]],
  ['decryption failed or bad record mac', ['DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 130]],
  ['unexpected message', ['UNEXPECTED_MESSAGE', 233]],
  ['unexpected record', ['UNEXPECTED_RECORD', 234]],
  ['bad record type', ['UNEXPECTED_RECORD', 234]],
  ['length mismatch', ['LENGTH_MISMATCH', 159]],
  ['length too long', ['DECODE_ERROR', 137]],
  ['bad extension', ['ERROR_PARSING_EXTENSION', 149]],
  ['excessive message size', ['EXCESSIVE_MESSAGE_SIZE', 150]],
  ['packet length too long', ['ENCRYPTED_LENGTH_TOO_LONG', 148]],
  ['record length mismatch', ['BAD_PACKET_LENGTH', 107]],
  ['no renegotiation', ['NO_RENEGOTIATION', 183]],
  ['certificate unknown', ['SSLV3_ALERT_CERTIFICATE_UNKNOWN', 1046]],
]);

const ALERTS: ReadonlyMap<number, string> = new Map([
  [10, 'SSLV3_ALERT_UNEXPECTED_MESSAGE'],
  [20, 'SSLV3_ALERT_BAD_RECORD_MAC'],
  [21, 'TLSV1_ALERT_DECRYPTION_FAILED'],
  [22, 'TLSV1_ALERT_RECORD_OVERFLOW'],
  [30, 'SSLV3_ALERT_DECOMPRESSION_FAILURE'],
  [40, 'SSLV3_ALERT_HANDSHAKE_FAILURE'],
  [41, 'SSLV3_ALERT_NO_CERTIFICATE'],
  [42, 'SSLV3_ALERT_BAD_CERTIFICATE'],
  [43, 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE'],
  [44, 'SSLV3_ALERT_CERTIFICATE_REVOKED'],
  [45, 'SSLV3_ALERT_CERTIFICATE_EXPIRED'],
  [46, 'SSLV3_ALERT_CERTIFICATE_UNKNOWN'],
  [47, 'SSLV3_ALERT_ILLEGAL_PARAMETER'],
  [48, 'TLSV1_ALERT_UNKNOWN_CA'],
  [49, 'TLSV1_ALERT_ACCESS_DENIED'],
  [50, 'TLSV1_ALERT_DECODE_ERROR'],
  [51, 'TLSV1_ALERT_DECRYPT_ERROR'],
  [60, 'TLSV1_ALERT_EXPORT_RESTRICTION'],
  [70, 'TLSV1_ALERT_PROTOCOL_VERSION'],
  [71, 'TLSV1_ALERT_INSUFFICIENT_SECURITY'],
  [80, 'TLSV1_ALERT_INTERNAL_ERROR'],
  [86, 'TLSV1_ALERT_INAPPROPRIATE_FALLBACK'],
  [90, 'TLSV1_ALERT_USER_CANCELLED'],
  [100, 'TLSV1_ALERT_NO_RENEGOTIATION'],
  [110, 'TLSV1_ALERT_UNSUPPORTED_EXTENSION'],
  [112, 'TLSV1_ALERT_UNRECOGNIZED_NAME'],
  [113, 'TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE'],
  [116, 'TLSV1_ALERT_CERTIFICATE_REQUIRED'],
  [120, 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL'],
]);

export const NOT_READY = 'TLS error: Secret is not supplied by SDS';

const text = (name: string, number: number, detail = ''): string =>
  `TLS_error:|${SSL_LIBRARY + number}:SSL routines:OPENSSL_internal:${name}${detail}:TLS_error_end`;

const NO_CERTIFICATE = 'PEER_DID_NOT_RETURN_A_CERTIFICATE';

/** Of an alert that ended the connection: `SSL alert number 46` at the end of OpenSSL's message. */
function alertNumber(message: string): number {
  const found = /SSL alert number (\d{1,3})/.exec(message);
  return found === null ? -1 : Number(found[1]);
}

export function handshakeFailure(error: OpenSslError): string {
  const alert = alertNumber(error.message);
  if (alert >= 0) return text(ALERTS.get(alert) ?? `SSL_ALERT_${alert}`, 1000 + alert);
  const reason = error.reason ?? '';
  const known = REASONS.get(reason);
  if (known === undefined)
    return text(reason === '' ? 'UNKNOWN' : reason.toUpperCase().replaceAll(' ', '_'), 0);
  const [name, number] = known;
  return text(
    name,
    number,
    name === NO_CERTIFICATE ? ':peer did not provide required client certificate' : '',
  );
}

export const verificationFailure = (detail: string): string =>
  text('CERTIFICATE_VERIFY_FAILED', 125, `:verify cert failed: ${detail}`);

export const isNoCertificate = (error: OpenSslError): boolean =>
  error.reason === 'peer did not return a certificate';
