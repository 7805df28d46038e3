import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ENVIRONMENT, repositoryFolder } from '#src/config';
import { Metrics } from '#src/ops/metrics';

const read = (path: string) => readFileSync(join(repositoryFolder(), path), 'utf8');
/** Names that others' images and compose itself read, not mumu. */
const OTHERS = /^(?:GF_|ROOT_|GRAFANA_|NODE_ENV$|.*_PUBLISH$)/;

interface Service {
  image: string;
  profiles?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  environment?: Record<string, string>;
  command?: string[];
  volumes?: string[];
  tmpfs?: string[];
  ports?: string[];
  depends_on?: string[] | Record<string, unknown>;
  healthcheck?: object;
  build?: { target: string };
  deploy?: { resources: { reservations: { devices: Array<{ driver: string }> } } };
}

describe('docker-compose.yml', () => {
  const file = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const services = Object.entries(file.services);

  it('starts Redis, bot and worker, and the rest by profiles', () => {
    const profiles = Object.fromEntries(services.map(([name, { profiles = [] }]) => [name, profiles.join()]));
    expect(profiles).toEqual({
      redis: '',
      bot: '',
      worker: '',
      'worker-gpu': 'gpu',
      s3: 's3',
      's3-bucket': 's3',
      prometheus: 'observability',
      grafana: 'observability',
    });
    expect(file.services['worker-gpu']?.deploy?.resources.reservations.devices[0]?.driver).toBe('nvidia');
  });

  it.each(services)('%s has a read-only root, no capabilities and a fixed version', (_name, service) => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    if (service.build === undefined) expect(service.image).toMatch(/:v?\d+\.\d+/);
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('gives Redis what the queue needs', () => {
    const { command = [], volumes } = file.services.redis ?? {};
    expect(command.join(' ')).toContain('--appendonly yes');
    expect(command.join(' ')).toContain('--maxmemory-policy noeviction');
    expect(volumes).toEqual(['redis:/data']);
  });

  it('mounts what is there, and sets what mumu reads', () => {
    for (const [, { volumes = [], environment = {} }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('./')) expect(existsSync(join(repositoryFolder(), source)), source).toBe(true);
        else expect(Object.keys(file.volumes)).toContain(source);
      }
      for (const name of Object.keys(environment))
        if (!OTHERS.test(name)) expect(ENVIRONMENT).toContain(name);
    }
    for (const [, name = ''] of read('docker-compose.yml').matchAll(/\$\{(\w+)/g)) {
      if (!OTHERS.test(name)) expect(ENVIRONMENT).toContain(name);
    }
  });

  it('gives workers that share files a folder of their own for running jobs', () => {
    for (const name of ['worker', 'worker-gpu']) {
      expect(file.services[name]?.tmpfs?.some((mount) => mount.startsWith('/data/work:'))).toBe(true);
    }
  });
});

describe('Dockerfile', () => {
  const lines = read('Dockerfile').replaceAll('\\\n', ' ').split('\n');
  const of = (instruction: string) => lines.filter((line) => line.startsWith(`${instruction} `));

  it('copies what is there and lets no build see more', () => {
    const sources = of('COPY')
      .filter((line) => !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    const allowed = read('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    for (const source of sources) {
      expect(existsSync(join(repositoryFolder(), source)), source).toBe(true);
      expect(
        allowed.some((path) => path === source || path.startsWith(`${source}/`)),
        source,
      ).toBe(true);
    }
  });

  it('fixes versions, runs as nobody special and has a health check in both images', () => {
    for (const line of of('FROM')) expect(line).toMatch(/^FROM (?:build|\S+:\d+\.\d+\.\d+\S*) AS \w/);
    expect(of('USER')).toEqual(['USER node', 'USER node']);
    expect(of('HEALTHCHECK')).toHaveLength(2);
    for (const [, name = ''] of of('ENV')
      .join(' ')
      .matchAll(/(\w+)=/g)) {
      if (!OTHERS.test(name)) expect(ENVIRONMENT).toContain(name);
    }
  });
});

describe('figures that dashboard and alerts ask for', () => {
  const names = new Set<string>();
  for (const metric of new Metrics().registry.getMetricsAsArray()) {
    for (const suffix of ['', '_bucket', '_sum', '_count']) names.add(`${metric.name}${suffix}`);
  }
  // Made when the queues are known.
  names.add('mumu_queue_jobs');
  const asked = (text: string) => [...text.matchAll(/\b(?:mumu|process)_[a-z_]+\b/g)].map(([name]) => name);

  it.each(['ops/grafana/dashboards/mumu.json', 'ops/prometheus/alerts.yml'])('are there: %s', (path) => {
    const found = asked(read(path));
    expect(found.length).toBeGreaterThan(4);
    for (const name of found) expect(names).toContain(name);
  });

  it('come from where the compose file says', () => {
    const { scrape_configs } = parse(read('ops/prometheus/prometheus.yml'));
    const hosts = scrape_configs.flatMap((job: { dns_sd_configs: Array<{ names: string[] }> }) =>
      job.dns_sd_configs.flatMap((one) => one.names),
    );
    const { services } = parse(read('docker-compose.yml'), { merge: true });
    for (const host of hosts) expect(Object.keys(services)).toContain(host);
  });
});

describe('mumu.service', () => {
  it('waits longer for a stop than mumu drains, and sets what mumu reads', () => {
    const unit = read('ops/systemd/mumu.service');
    const settings = /^Environment=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
    for (const setting of settings) {
      const [name = ''] = setting.split('=');
      if (!OTHERS.test(name)) expect(ENVIRONMENT).toContain(name);
    }
    const drain = Number(/MUMU_DRAIN_SECONDS=(\d+)/.exec(unit)?.[1]);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(drain + 5);
  });
});

describe('docs/operations.md', () => {
  it('has every variable in its table, with the default that holds', () => {
    const rows = read('docs/operations.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const described = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([A-Z0-9_]+)`/g)].map((match) => match[1]),
    );
    expect([...described].sort()).toEqual([...ENVIRONMENT].sort());
  });
});
