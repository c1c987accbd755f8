// [w] Commands that print facts of TLS, either side. They are missing where the connection is no TLS.
import { bare, getter } from './field.ts';
import { byteText } from '../base/byte-text.ts';
import { compileTimeFormat } from './time-format.ts';
import type { CommandTable, CompiledField, Field } from './field.ts';
import type { FormatCommand } from './format-command.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { PeerCertificateFacts, SubjectAltNames, TlsFacts } from '../stream-info/tls-facts.ts';

type Side = (info: StreamInfo) => TlsFacts | null | undefined;

const downstream: Side = ({ connection }) => connection.tlsFacts;
const upstream: Side = ({ upstreamConnection }) => upstreamConnection?.tls;

const text =
  (side: Side, read: (tls: TlsFacts) => string): Field =>
  ({ info }) => {
    const tls = side(info);
    const value = tls === null || tls === undefined ? '' : read(tls);
    return value === '' ? null : byteText(value);
  };

const ofPeer = (side: Side, read: (peer: PeerCertificateFacts) => string): Field =>
  text(side, ({ peer }) => (peer === null ? '' : read(peer)));

const names = (list: readonly string[]): string => list.join(',');

const localNames = (side: Side, kind: keyof SubjectAltNames): Field =>
  text(side, (tls) => (tls.localNames === null ? '' : names(tls.localNames[kind])));

const peerNames = (side: Side, kind: keyof SubjectAltNames): Field =>
  ofPeer(side, (peer) => names(peer.names[kind]));

const common = (prefix: string, side: Side): Readonly<Record<string, Field>> => ({
  [`${prefix}_TLS_VERSION`]: text(side, (tls) => tls.version),
  [`${prefix}_TLS_CIPHER`]: text(side, (tls) => tls.cipher),
  [`${prefix}_TLS_GROUP`]: text(side, (tls) => tls.group),
  [`${prefix}_TLS_SESSION_ID`]: text(side, (tls) => tls.sessionId),
  [`${prefix}_PEER_SUBJECT`]: ofPeer(side, (peer) => peer.subject),
  [`${prefix}_PEER_ISSUER`]: ofPeer(side, (peer) => peer.issuer),
  [`${prefix}_PEER_CERT`]: ofPeer(side, (peer) => peer.pem),
  [`${prefix}_LOCAL_IP_SAN`]: localNames(side, 'ip'),
  [`${prefix}_LOCAL_DNS_SAN`]: localNames(side, 'dns'),
  [`${prefix}_LOCAL_URI_SAN`]: localNames(side, 'uri'),
  [`${prefix}_PEER_IP_SAN`]: peerNames(side, 'ip'),
  [`${prefix}_PEER_DNS_SAN`]: peerNames(side, 'dns'),
  [`${prefix}_PEER_URI_SAN`]: peerNames(side, 'uri'),
});

const DOWNSTREAM_ONLY: Readonly<Record<string, Field>> = {
  DOWNSTREAM_LOCAL_SUBJECT: text(downstream, (tls) => tls.localSubject),
  DOWNSTREAM_LOCAL_EMAIL_SAN: localNames(downstream, 'email'),
  DOWNSTREAM_LOCAL_OTHERNAME_SAN: localNames(downstream, 'otherName'),
  DOWNSTREAM_PEER_EMAIL_SAN: peerNames(downstream, 'email'),
  DOWNSTREAM_PEER_OTHERNAME_SAN: peerNames(downstream, 'otherName'),
  DOWNSTREAM_PEER_SERIAL: ofPeer(downstream, (peer) => peer.serial),
  DOWNSTREAM_PEER_FINGERPRINT_256: ofPeer(downstream, (peer) => peer.fingerprint256),
  DOWNSTREAM_PEER_FINGERPRINT_1: ofPeer(downstream, (peer) => peer.fingerprint1),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: ofPeer(downstream, (p) => names(p.chainFingerprints256)),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: ofPeer(downstream, (p) => names(p.chainFingerprints1)),
  DOWNSTREAM_PEER_CHAIN_SERIALS: ofPeer(downstream, (peer) => names(peer.chainSerials)),
  DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256: ofPeer(
    downstream,
    (p) => p.chainFingerprints256[1] ?? '',
  ),
  DOWNSTREAM_PEER_ISSUER_SERIAL: ofPeer(downstream, (peer) => peer.chainSerials[1] ?? ''),
  // Fingerprints of the client hello, which the TLS inspector takes only where it is told to.
  TLS_JA3_FINGERPRINT: ({ info }) => info.connection.ja3 ?? null,
  TLS_JA4_FINGERPRINT: ({ info }) => info.connection.ja4 ?? null,
};

/** Validity of the peer's certificate; default format: as START_TIME. */
function compileValidity({ name, args = '' }: FormatCommand): CompiledField {
  const side = name.startsWith('UPSTREAM') ? upstream : downstream;
  const format = compileTimeFormat(byteText(args), false);
  const start = name.endsWith('START');
  return getter(({ info }) => {
    const peer = side(info)?.peer;
    if (peer === null || peer === undefined) return null;
    return format(start ? peer.validFromMs : peer.validToMs);
  });
}

export const TLS_COMMANDS: CommandTable = [
  ...bare({
    ...common('DOWNSTREAM', downstream),
    ...common('UPSTREAM', upstream),
    ...DOWNSTREAM_ONLY,
  }),
  ...['DOWNSTREAM_PEER_CERT_V', 'UPSTREAM_PEER_CERT_V'].flatMap((name) =>
    ['START', 'END'].map((which): CommandTable[number] => [
      `${name}_${which}`,
      { form: 'optional', compile: compileValidity },
    ]),
  ),
];
