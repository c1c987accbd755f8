// Writes gen/descriptors.txt (development only): one line of text a message. Read back by ../descriptor-table.ts, which
// documents the format.
import { scalarCodes } from '../descriptor-format.ts';
import type { EnumModel, FieldModel, MessageModel, Model } from './model.ts';

function reference(fullName: string, home: string, model: Model): string {
  const packageName = model.packageOf.get(fullName);
  if (packageName === home) return fullName.slice(home.length);
  return fullName;
}

function kindText(field: FieldModel, home: string, model: Model): string {
  if (field.kind === 'message') return `>${reference(field.type, home, model)}`;
  if (field.kind === 'enum') return `#${reference(field.type, home, model)}`;
  return scalarCode(field.type);
}

function scalarCode(type: string): string {
  const code = scalarCodes.get(type);
  if (code === undefined) throw new Error(`no code for scalar type ${type}`);
  return code;
}

function fieldText(field: FieldModel, oneofs: string[], home: string, model: Model): string {
  const mark = field.deprecated ? '!' : '';
  let prefix = '';
  if (field.cardinality === 'repeated') prefix = '*';
  if (field.cardinality === 'map') prefix = `%${scalarCode(field.mapKey ?? '')}`;
  if (field.hasPresence) prefix = '?';
  if (field.oneof !== undefined) {
    if (!oneofs.includes(field.oneof)) oneofs.push(field.oneof);
    prefix = `@${String.fromCharCode(97 + oneofs.indexOf(field.oneof))}`;
  }
  return `${field.number}:${field.name}:${mark}${prefix}${kindText(field, home, model)}`;
}

function messageText(message: MessageModel, model: Model): string {
  const home = model.packageOf.get(message.fullName) ?? '';
  const oneofs: string[] = [];
  const fields = message.fields.map((field) => fieldText(field, oneofs, home, model));
  if (oneofs.length > 26) throw new Error(`${message.fullName}: more than 26 oneofs`);
  return [message.fullName, home, ...fields].join(' ');
}

function enumText(model: EnumModel): string {
  return [`#${model.fullName}`, ...model.values.map(([name, number]) => `${number}:${name}`)].join(
    ' ',
  );
}

export function emitDescriptors(model: Model): string {
  const lines = [
    ...model.messages.map((message) => messageText(message, model)),
    ...model.enums.map(enumText),
  ];
  return `${lines.join('\n')}\n`;
}
