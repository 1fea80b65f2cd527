// Shows the description of the API that the gateway serves: contents, operations, errors, schemas.

import { element } from './dom.js';
import { kind, meaning, prose, sample, schemaCard, table } from './docs-schema.js';

const METHODS = ['get', 'post', 'patch', 'delete'];
const entries = document.getElementById('entries');
const content = document.getElementById('content');

let described = null;
/** Every error of any operation: code to status and text. */
const errors = new Map();

const resolve = (value) => (value.$ref ? value.$ref.slice(2).split('/').reduce((at, part) => at[part], described) : value);

function operations() {
  return Object.entries(described.paths).flatMap(([path, methods]) => METHODS
    .filter((method) => methods[method])
    .map((method) => ({ method, path, ...methods[method] })));
}

/** A request as one would type it. */
function curl({ method, path, security, parameters = [], requestBody }) {
  const given = parameters.map(resolve);
  const place = given.filter((one) => one.in === 'path').reduce((at, one) => at.replace(`{${one.name}}`, one.example), path);
  const query = given.filter((one) => one.in === 'query' && one.example !== undefined);
  const search = query.map((one) => `${one.name}=${one.example}`).join('&');
  const lines = [`curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} '${location.origin}${place}${search && `?${search}`}'`];
  if (!security) lines.push('-H "authorization: Bearer $token"');
  for (const one of given.filter((other) => other.in === 'header')) lines.push(`-H '${one.name.toLowerCase()}: ${one.example}'`);
  const body = requestBody?.content['application/json'].example;
  if (body) lines.push("-H 'content-type: application/json'", `-d '${JSON.stringify(body)}'`);
  return lines.join(' \\\n  ');
}

function parametersTable(parameters) {
  return table(['Parameter', 'Where', 'Meaning'], parameters.map(resolve).map((one) => {
    const label = element('span');
    label.append(element('code', '', one.name));
    if (one.required) label.append(' ', element('span', 'required', 'always'));
    return [label, one.in, meaning(one.schema, one.description ?? one.schema.description)];
  }));
}

function requestPart(card, { content: media }) {
  const { schema, example } = media['application/json'];
  const heading = element('h4', '', 'Body: ');
  heading.append(kind(schema));
  card.append(heading, sample('Example', example));
}

function answerPart(card, status, { description, content: media }) {
  const heading = element('h4', '', `Answer: ${status}`);
  const { schema, example } = media?.['application/json'] ?? {};
  const items = schema?.properties?.items;
  if (items) heading.append(', a page: ', kind(items));
  else if (schema?.$ref) heading.append(', ', kind(schema));
  card.append(heading);
  prose(card, description);
  if (example) card.append(sample('Example', example));
}

/** The codes of an answer; what they mean is remembered for the table of errors. */
function codesOf(status, response) {
  const codes = response.content['application/problem+json'].schema.allOf[1].properties.code.enum;
  for (const [, code, text] of response.description.matchAll(/`(\w+)`: (.*?)(?=; `\w+`: |$)/g)) errors.set(code, { status, text });
  return codes;
}

function errorsPart(card, failures) {
  const list = element('div', 'codes');
  for (const code of failures.flatMap(([status, response]) => codesOf(status, resolve(response)))) {
    const link = element('a');
    link.href = `#error-${code}`;
    link.append(element('code', '', code));
    list.append(link);
  }
  card.append(element('h4', '', 'Errors'), list);
}

function operationCard(operation) {
  const card = element('article', 'described');
  card.id = operation.operationId;
  const heading = element('h3');
  heading.append(element('span', `method method-${operation.method}`, operation.method), element('code', 'path', operation.path));
  if (operation.security) heading.append(element('span', 'open', 'without a token'));
  card.append(heading);
  prose(card, `${operation.summary}.`);
  prose(card, operation.description);
  if (operation.parameters) card.append(element('h4', '', 'Parameters'), parametersTable(operation.parameters));
  if (operation.requestBody) requestPart(card, operation.requestBody);
  const answers = Object.entries(operation.responses);
  for (const [status, response] of answers.filter(([one]) => one < 400)) answerPart(card, status, resolve(response));
  errorsPart(card, answers.filter(([one]) => one >= 400));
  card.append(sample('With curl', curl(operation)));
  return card;
}

/** A part of the page, and its entry in the contents. */
function section(title, id, description, cards, links) {
  const node = element('section');
  node.id = id;
  node.append(element('h2', '', title));
  prose(node, description).append(...cards);
  content.append(node);
  const group = element('section');
  const list = element('ul');
  for (const { id: to, label, method, words } of links) {
    const item = element('li');
    const link = element('a');
    link.href = `#${to}`;
    if (method) link.append(element('span', `method method-${method}`, method));
    link.append(label);
    item.dataset.words = `${words ?? ''} ${label}`.toLowerCase();
    item.append(link);
    list.append(item);
  }
  group.append(element('h2', '', title), list);
  entries.append(group);
}

function errorsTable() {
  const codes = [...errors].sort(([one, a], [other, b]) => a.status - b.status || one.localeCompare(other));
  const node = table(['Code', 'Status', 'What to do'], codes.map(([code, { status, text }]) => [element('code', '', code), status, prose(element('div'), text)]));
  node.querySelectorAll('tbody tr').forEach((row, number) => { row.id = `error-${codes[number][0]}`; });
  return node;
}

function show() {
  const { info, tags, components } = described;
  const head = element('header');
  head.append(element('h1', '', `${info.title}: the HTTP API, version ${info.version}`));
  content.replaceChildren(prose(head, info.description));
  for (const { name, description } of tags) {
    const mine = operations().filter((operation) => operation.tags.includes(name));
    const links = mine.map(({ operationId, method, path, summary }) => ({ id: operationId, label: summary, method, words: path }));
    section(name, `tag-${name}`, description, mine.map(operationCard), links);
  }
  section('errors', 'errors', 'A refusal is a `Problem`. Decide by its `code`.', [errorsTable()], [{ id: 'errors', label: 'All codes' }]);
  const schemas = Object.entries(components.schemas);
  section('schemas', 'schemas', '', schemas.map(([name, schema]) => schemaCard(name, schema)),
    schemas.map(([name]) => ({ id: `schema-${name}`, label: name })));
  // What the address names was not there when the page was loaded.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ behavior: 'instant' });
}

document.getElementById('filter').addEventListener('input', ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const item of entries.querySelectorAll('li')) item.hidden = !item.dataset.words.includes(wanted);
  for (const group of entries.children) group.hidden = !group.querySelector('li:not([hidden])');
});

try {
  const answer = await fetch('/v1/openapi.json');
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  described = await answer.json();
  show();
} catch (error) {
  content.replaceChildren(element('p', 'nothing', `The description could not be loaded (${error.message}). Load the page again.`));
}
