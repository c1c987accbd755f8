// The chart of a run as SVG: for each case one row of bars per peer, medians with the range of the rounds.
import type { CaseResult, PeerResult } from './measure.ts';
import { METRICS } from './metrics.ts';
import type { RunReport } from './report.ts';
import { spreadOf } from './statistics.ts';

/** What a reader wants to see first; the rest is in the tables. */
const CHARTED = [
  'cpuUs',
  'addedP99Us@1000',
  'loadMb',
  'connectionKb',
  'readyMs',
  'pushMs',
] as const;

const WIDTH = 900;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 170;
const BAR_HEIGHT = 14;
const ROW_HEIGHT = 20;
const STYLE = `text{font:12px sans-serif;fill:#222}.h{font-weight:bold;font-size:14px}.m{fill:#666}
.bar{fill:#9db4c8}.ours{fill:#d9822b}.range{stroke:#222;stroke-width:1}.bg{fill:#fff}`;

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

class Canvas {
  readonly #parts: string[] = [];
  y = 10;

  text(x: number, text: string, style = ''): void {
    const kind = style === '' ? '' : ` class="${style}"`;
    this.#parts.push(`<text x="${x}" y="${this.y}"${kind}>${escapeXml(text)}</text>`);
  }

  rect(x: number, width: number, style: string): void {
    this.#parts.push(
      `<rect x="${x}" y="${this.y - BAR_HEIGHT + 3}" width="${Math.max(0, width).toFixed(1)}" height="${BAR_HEIGHT}" class="${style}"/>`,
    );
  }

  range(from: number, to: number): void {
    const y = this.y - BAR_HEIGHT / 2 + 3;
    this.#parts.push(
      `<line x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${y}" y2="${y}" class="range"/>`,
    );
  }

  toString(): string {
    const height = this.y + 10;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
      `<style>${STYLE}</style><rect width="${WIDTH}" height="${height}" class="bg"/>`,
      ...this.#parts,
      '</svg>\n',
    ].join('\n');
  }
}

function drawMetric(canvas: Canvas, metric: string, peers: readonly PeerResult[]): void {
  const { title = metric, unit = '', digits = 1 } = METRICS.get(metric) ?? {};
  const rows = peers.map((one) => ({
    name: one.peer,
    ...spreadOf(one.samples[metric] ?? []),
  }));
  const most = Math.max(...rows.map((row) => row.most), 1e-9);
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most;
  canvas.y += ROW_HEIGHT;
  canvas.text(10, title, 'm');
  for (const row of rows) {
    canvas.y += ROW_HEIGHT;
    canvas.text(20, row.name);
    canvas.rect(LABEL_WIDTH, row.median * scale, row.name.startsWith('outrigger') ? 'ours' : 'bar');
    const from = LABEL_WIDTH + Math.max(0, row.least) * scale;
    canvas.range(from, Math.max(from, LABEL_WIDTH + row.most * scale));
    const value = `${row.median.toFixed(digits)} ${unit}`;
    canvas.text(WIDTH - VALUE_WIDTH + 10, value);
  }
}

function drawCase(canvas: Canvas, { meaning, name, peers }: CaseResult): void {
  canvas.y += ROW_HEIGHT * 1.5;
  canvas.text(10, `${meaning} (${name})`, 'h');
  for (const metric of CHARTED) {
    const measured = peers.filter(({ samples }) => samples[metric] !== undefined);
    if (measured.length > 0) drawMetric(canvas, metric, measured);
  }
}

export function chartSvg(report: RunReport): string {
  const canvas = new Canvas();
  canvas.y += 12;
  const { machine, method } = report;
  canvas.text(10, `Outrigger ${report.commit}, ${report.when.slice(0, 10)}: less is better`, 'h');
  canvas.y += ROW_HEIGHT;
  canvas.text(
    10,
    `${machine.cpus} × ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}; median of ${method.rounds} rounds, lines: least to most`,
    'm',
  );
  for (const one of report.cases) if (one.peers.length > 0) drawCase(canvas, one);
  return canvas.toString();
}
