// [b] URI templates: `/shop/{id}/items/*`, `/media/**.mpd` as Envoy reads them (its uri_template extensions, envoy-behaviour
// §3.2, §3.4), compiled to RE2. A template matches the whole path; what its variables took can be put into another path.
import type { RE2JS } from 're2js';
import { re2 } from '../base/re2.ts';
import { ConfigError } from '../config/config-error.ts';

const MAX_TEMPLATE_LENGTH = 1024;
const MAX_VARIABLES = 5;
const MAX_VARIABLE_NAME = 16;

const LITERAL = "a-zA-Z0-9\\-._~%!$&'()+,;:@=*";
const ONE_SEGMENT = `[${LITERAL}]+`;
const MANY_SEGMENTS = `[${LITERAL}/]*`;
const VALID_LITERAL = new RegExp(`^[${LITERAL}]+$`);
const VALID_REWRITE = new RegExp(`^[${LITERAL}/]*$`);
const VALID_NAME = /^[a-zA-Z][a-zA-Z0-9_]*$/;

/** Envoy leaves `*` as it is: in a literal it repeats the character before it. */
const quoted = (literal: string): string => literal.replace(/[$()+.]/g, '\\$&');

class Parser {
  readonly variables: string[] = [];
  readonly #template: string;
  readonly #place: string;
  #afterMany = false;

  constructor(template: string, place: string) {
    this.#template = template;
    this.#place = place;
  }

  fail(why: string): never {
    const message = `path_template ${this.#template} is invalid: ${why}`;
    throw new ConfigError([{ path: this.#place, message }]);
  }

  /** The RE2 pattern. */
  parse(): string {
    const template = this.#template;
    if (template.length > MAX_TEMPLATE_LENGTH) this.fail('it is too long');
    if (!/^\/[!-~]*$/.test(template)) this.fail(`Invalid pattern: "${template}"`);
    let pattern = '/';
    let at = 1;
    while (at < template.length) {
      const end = this.#segmentEnd(at);
      const segment = template.slice(at, end);
      if (end < template.length && /^\*\*?[^*]|^[^{*]+\*/.test(segment))
        this.fail('Prefix match not supported.');
      pattern += this.#segment(segment);
      at = end;
      if (at < template.length) {
        pattern += '/';
        at++;
      }
    }
    return pattern;
  }

  /** The next `/` that is not within a variable. */
  #segmentEnd(start: number): number {
    const template = this.#template;
    let end = start;
    // Only a variable that begins the segment may hold a slash.
    if (template[start] === '{') {
      end = template.indexOf('}', start);
      if (end < 0) this.fail(`Unmatched variable bracket in "${template.slice(start)}"`);
    }
    const slash = template.indexOf('/', end);
    return slash < 0 ? template.length : slash;
  }

  #segment(text: string): string {
    if (text.startsWith('*')) return this.#operatorAndSuffix(text);
    const open = text.indexOf('{');
    if (open < 0) return this.#literal(text);
    const close = text.indexOf('}', open);
    if (close < 0) this.fail(`Unmatched variable bracket in mixed pattern: "${text.slice(open)}"`);
    const before = open === 0 ? '' : this.#literal(text.slice(0, open));
    const variable = this.#variable(text.slice(open + 1, close));
    const after = close + 1 === text.length ? '' : this.#literal(text.slice(close + 1));
    return before + variable + after;
  }

  #operatorAndSuffix(text: string): string {
    const operator = text.startsWith('**') ? '**' : '*';
    const suffix = text.slice(operator.length);
    return this.#operator(operator) + (suffix === '' ? '' : this.#literal(suffix));
  }

  #operator(operator: '*' | '**'): string {
    if (this.#afterMany) this.fail('Glob after text glob.');
    if (operator === '*') return ONE_SEGMENT;
    this.#afterMany = true;
    return MANY_SEGMENTS;
  }

  #literal(text: string): string {
    if (!VALID_LITERAL.test(text)) this.fail(`Invalid literal: "${text}"`);
    return quoted(text);
  }

  /** `name` or `name=pattern`, without the braces. */
  #variable(text: string): string {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    if (!VALID_NAME.test(name)) this.fail(`Invalid variable name: "${name}"`);
    if (name.length > MAX_VARIABLE_NAME) {
      this.fail(
        `Invalid variable name length (length of "${name}" should be at least 1 and no more than ${MAX_VARIABLE_NAME})`,
      );
    }
    if (this.variables.includes(name)) this.fail(`Repeated variable name: "${name}"`);
    this.variables.push(name);
    if (this.variables.length > MAX_VARIABLES)
      this.fail(`Exceeded variable count limit (${MAX_VARIABLES})`);
    if (equals < 0) return `(${this.#operator('*')})`;
    const pattern = text.slice(equals + 1);
    if (pattern === '') this.fail('Empty variable match');
    const parts = pattern
      .split('/')
      .map((part) =>
        part === '*' || part === '**' ? this.#operator(part) : this.#plainLiteral(part),
      );
    return `(${parts.join('/')})`;
  }

  #plainLiteral(text: string): string {
    if (text.startsWith('*')) this.fail(`Invalid variable match: "${text}"`);
    return this.#literal(text);
  }
}

export class UriTemplate {
  readonly #regex: RE2JS;
  readonly #variables: readonly string[];

  /** Throws ConfigError with `place`. */
  constructor(template: string, place: string) {
    const parser = new Parser(template, place);
    const pattern = parser.parse();
    this.#variables = parser.variables;
    this.#regex = compiled(pattern, parser);
  }

  /** `path` without query. */
  matches(path: string): boolean {
    return this.#regex.testExact(path);
  }

  groupOf(variable: string): number | undefined {
    const index = this.#variables.indexOf(variable);
    return index < 0 ? undefined : index + 1;
  }

  /** What the groups took; null where the path does not match. */
  groups(path: string): readonly string[] | null {
    const matcher = this.#regex.matcher(path);
    if (!matcher.matches()) return null;
    return ['', ...this.#variables].map((_, group) => matcher.group(group) ?? '');
  }
}

function compiled(pattern: string, parser: Parser): RE2JS {
  try {
    return re2().RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof re2().RE2JSException)) throw error;
    return parser.fail(error.message);
  }
}

/** `/new/{id}`: another path out of what the variables of a template took. */
export class UriTemplateRewriter {
  readonly #template: UriTemplate;
  /** Text and group numbers, in order. */
  readonly #parts: readonly (string | number)[];

  /** Throws ConfigError with `place`. */
  constructor(rewrite: string, template: UriTemplate, place: string) {
    this.#template = template;
    this.#parts = rewriteParts(rewrite, template, place);
  }

  /** `path` without query; it stays as it is where the template does not match. */
  rewrite(path: string): string {
    const groups = this.#template.groups(path);
    if (groups === null) return path;
    let result = '';
    for (const part of this.#parts) result += typeof part === 'string' ? part : groups[part]!;
    return result;
  }
}

function rewriteParts(rewrite: string, template: UriTemplate, place: string): (string | number)[] {
  const fail = (message: string): never => {
    throw new ConfigError([{ path: place, message }]);
  };
  const invalid = `path_template_rewrite ${rewrite} is invalid`;
  if (rewrite.length > MAX_TEMPLATE_LENGTH || !rewrite.startsWith('/') || rewrite.includes('//'))
    fail(invalid);
  const parts: (string | number)[] = [];
  // Odd pieces stand between braces.
  const pieces = rewrite.split(/[{}]/);
  if (braces(rewrite) !== '{}'.repeat((pieces.length - 1) / 2)) fail(invalid);
  pieces.forEach((piece, i) => {
    if (i % 2 === 0) {
      if (!VALID_REWRITE.test(piece)) fail(invalid);
      if (piece !== '') parts.push(piece);
      return;
    }
    if (!VALID_NAME.test(piece)) fail(invalid);
    parts.push(
      template.groupOf(piece) ??
        fail(`mismatch between variables in path_match_policy and path_rewrite_policy ${rewrite}`),
    );
  });
  return parts;
}

const braces = (text: string): string => text.replace(/[^{}]/g, '');
