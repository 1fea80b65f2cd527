// Schemas of the description put into words and tables.

import { element } from './dom.js';

/** Adds text in which `this` is code and an empty line begins a paragraph. */
export function prose(parent, text = '') {
  for (const paragraph of text.split('\n\n').filter(Boolean)) {
    const node = element('p');
    paragraph.split('`').forEach((part, number) => node.append(number % 2 ? element('code', '', part) : part));
    parent.append(node);
  }
  return parent;
}

/** A table under a scrolling frame, with rows of nodes or texts. */
export function table(heads, rows) {
  const frame = element('div', 'table');
  const node = element('table');
  const line = (tag, cells) => {
    const row = element('tr');
    for (const cell of cells) {
      const place = element(tag);
      place.append(cell);
      row.append(place);
    }
    return row;
  };
  const head = element('thead');
  head.append(line('th', heads));
  const body = element('tbody');
  body.append(...rows.map((row) => line('td', row)));
  node.append(head, body);
  frame.append(node);
  return frame;
}

const nameOf = (reference) => reference.split('/').at(-1);

/** What a value is, with links to the schemas that have a name. */
export function kind(schema) {
  const node = element('span');
  if (schema.$ref) {
    const link = element('a', '', nameOf(schema.$ref));
    link.href = `#schema-${nameOf(schema.$ref)}`;
    node.append(link);
  } else if (schema.type === 'array') {
    node.append('list of ', kind(schema.items));
  } else if (schema.enum) {
    schema.enum.forEach((one, number) => node.append(number ? ' or ' : '', element('code', '', String(one))));
  } else {
    node.append([schema.type ?? 'any', schema.format ?? schema.contentEncoding].filter(Boolean).join(', '));
  }
  return node;
}

/** The bounds of a value in one line, or ''. */
export function bounds(schema) {
  const range = (least, most, what) => {
    if (least === undefined && most === undefined) return '';
    if (most === undefined) return `${least} or more${what}`;
    return least === undefined ? `at most ${most}${what}` : `${least} to ${most}${what}`;
  };
  return [
    range(schema.minimum, schema.maximum, ''),
    range(schema.minLength, schema.maxLength, ' characters'),
    schema.pattern ? `as ${schema.pattern}` : '',
    schema.default === undefined ? '' : `${schema.default} unless given`,
  ].filter(Boolean).join('; ');
}

/** Type, bounds and description of a value, one below the other. */
export function meaning(schema, description = schema.description) {
  const node = element('div');
  node.append(kind(schema));
  const limits = bounds(schema);
  if (limits) node.append(element('div', 'bounds', limits));
  return prose(node, description);
}

/** The fields of an object, those of objects without a name in their place. */
export function fields(schema, before = '') {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const label = element('span');
    label.append(element('code', '', before + name));
    if (schema.required?.includes(name)) label.append(' ', element('span', 'required', 'always'));
    const inner = field.type === 'object' ? fields(field, `${before}${name}.`) : [];
    return [[label, meaning(field)], ...inner];
  });
}

/** A card for a schema with a name. */
export function schemaCard(name, schema) {
  const card = element('article', 'described');
  card.id = `schema-${name}`;
  card.append(element('h3', '', name));
  if (schema.properties) {
    prose(card, schema.description);
    card.append(table(['Field', 'Meaning'], fields(schema)));
  } else {
    card.append(meaning(schema));
  }
  const [example] = schema.examples ?? [];
  if (example !== undefined) card.append(sample('Example', example));
  return card;
}

/** JSON, or text, under a title. */
export function sample(title, value) {
  const node = element('details');
  node.open = true;
  const code = element('pre', '', typeof value === 'string' ? value : JSON.stringify(value, null, 2));
  code.tabIndex = 0;
  node.append(element('summary', '', title), code);
  return node;
}
