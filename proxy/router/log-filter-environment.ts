// [b] What filters of access logs need of this layer: matchers of headers and metadata.
import type { FilterEnvironment } from '../access-log/access-log-filter.ts';
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import { HeaderMatcher } from './header-matcher.ts';
import { MetadataMatcher } from './metadata-matcher.ts';

/** Its matchers throw ConfigError for a bad regex. */
export const filterEnvironment = (runtime: Runtime, random: RandomSource): FilterEnvironment => ({
  runtime,
  random,
  headerMatcher: (config) => {
    const matcher = new HeaderMatcher(config, 'header_filter.header');
    return (headers) => matcher.matches(headers);
  },
  metadataMatcher: (config) => {
    const matcher = new MetadataMatcher(config, 'metadata_filter.matcher');
    return (metadata) => matcher.matches(metadata);
  },
});
