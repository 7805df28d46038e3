import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace-node';
import type { Telemetry } from 'bullmq';
import { BullMQOtel } from 'bullmq-otel';

/** Attributes in which BullMQ puts what people or models wrote. */
const WORDS = ['bullmq.job.result', 'bullmq.job.failed.reason', 'bullmq.job.progress'];

export interface Traces {
  telemetry: Telemetry;
  /** Sends what is left. */
  close(): Promise<void>;
}

/**
 * Sends traces of the queues to an OpenTelemetry collector: one trace from a request's intake to its end, through
 * every process it came by. Ids, queues and times go out, never a text.
 * @param endpoint address of the collector, OTLP over HTTP; `/v1/traces` is put behind it
 */
export function openTraces(endpoint: string, service: string): Traces {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    // A collector that is away must not hold a stop up.
    timeoutMillis: 3000,
  });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new WordlessProcessor(exporter)],
  });
  provider.register();
  return { telemetry: new BullMQOtel({ tracerName: 'mumu' }), close: () => provider.shutdown() };
}

/** Takes words out of spans before they are sent. */
class WordlessProcessor extends BatchSpanProcessor {
  override onEnd(span: ReadableSpan): void {
    for (const name of WORDS) delete span.attributes[name];
    // Results, failures, exceptions: that one came, and when, is told by its name.
    for (const event of span.events) {
      for (const name of Object.keys(event.attributes ?? {})) delete event.attributes?.[name];
    }
    super.onEnd(span);
  }
}
