// [b] Two Buffer methods that Node has and its types leave out; toString('latin1') costs an encoding look-up more.
declare global {
  interface Buffer {
    latin1Slice(start: number, end: number): string;
    latin1Write(text: string, offset: number, length: number): number;
  }
}

export {};
