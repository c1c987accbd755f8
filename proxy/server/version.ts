// [m] Version strings, in the five-part form that Envoy prints and /server_info serves.

/** Kept equal to package.json by a test: emitted JavaScript lies elsewhere and cannot import it. */
export const VERSION = '0.1.0';

/** revision/version/tree state/build type/TLS library */
export const BUILD_VERSION = `${'0'.repeat(40)}/${VERSION}/Clean/RELEASE/OpenSSL`;

export const PROGRAM_NAME = 'outrigger-proxy';
