import { useEffect, useRef, useState } from 'preact/hooks';
import type { OptionSpec } from '#commands/spec';
import type { RequestOptions } from '#contracts/request';
import { help } from '#src/page/state/server';
import { resetSettings, setOption, settings } from '#src/page/state/settings';
import { useStore } from '#src/page/state/store';
import { CloseIcon, SlidersIcon } from './icons.tsx';

/** Where a slider stands while the pack decides, and how finely it moves. */
const SLIDERS: Partial<Record<keyof RequestOptions, { label: string; rest: number; step: number }>> = {
  seconds: { label: 'Length', rest: 10, step: 1 },
  temperature: { label: 'Temperature', rest: 0.6, step: 0.05 },
  topP: { label: 'Top-p', rest: 0.8, step: 0.05 },
  guidance: { label: 'Guidance', rest: 3, step: 0.5 },
};
const SHOWN = Object.keys(SLIDERS) as Array<keyof RequestOptions>;

/** The sampling settings, in a popover of their own; the button tells how many are set. */
export function SettingsButton() {
  const [open, setOpen] = useState(false);
  const chosen = useStore(settings);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const count = Object.keys(chosen).length;
  useEffect(() => {
    if (!open) return;
    const close = (event: PointerEvent) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener('pointerdown', close);
    return () => document.removeEventListener('pointerdown', close);
  }, [open]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape from any control within
    <div
      class="settings"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return;
        event.stopPropagation();
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button
        ref={button}
        type="button"
        class="quiet square"
        aria-expanded={open}
        aria-controls="settings-panel"
        aria-label={count === 0 ? 'Settings' : `Settings, ${count} set`}
        title="Length, sampling, seed and format"
        onClick={() => setOpen(!open)}
      >
        <SlidersIcon />
        {count > 0 && (
          <span class="badge" aria-hidden="true">
            {count}
          </span>
        )}
      </button>
      {open && <SettingsPanel chosen={chosen} />}
    </div>
  );
}

function SettingsPanel({ chosen }: { chosen: RequestOptions }) {
  const options = useStore(help)?.commands.find(({ name }) => name === 'generate')?.options ?? [];
  const specOf = (key: keyof RequestOptions) => options.find((option) => option.key === key);
  const seed = specOf('seed');
  const format = specOf('format');
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.querySelector('input')?.focus(), []);
  return (
    <section class="settings-panel" id="settings-panel" aria-label="Settings" ref={panel}>
      {SHOWN.map((key) => {
        const spec = specOf(key);
        return spec === undefined ? null : <SliderRow key={key} spec={spec} value={chosen[key]} />;
      })}
      <div class="setting-pair">
        <label class="setting" title={seed?.summary}>
          <span class="setting-name">Seed</span>
          <input
            type="number"
            inputMode="numeric"
            min={0}
            max={seed?.maximum}
            step={1}
            placeholder="drawn"
            value={chosen.seed ?? ''}
            onInput={(event) => setOption('seed', readSeed(event.currentTarget, seed))}
          />
        </label>
        <label class="setting" title={format?.summary}>
          <span class="setting-name">Format</span>
          <select
            value={chosen.format ?? ''}
            onChange={(event) => setOption('format', event.currentTarget.value || undefined)}
          >
            <option value="">as it fits</option>
            {format?.choices?.map((choice) => (
              <option key={choice} value={choice}>
                {choice}
              </option>
            ))}
          </select>
        </label>
      </div>
      <button type="button" class="quiet" disabled={Object.keys(chosen).length === 0} onClick={resetSettings}>
        Leave all to the model
      </button>
    </section>
  );
}

function SliderRow({ spec, value }: { spec: OptionSpec; value: RequestOptions[keyof RequestOptions] }) {
  const slider = SLIDERS[spec.key];
  if (slider === undefined) return null;
  const { label, rest, step } = slider;
  const id = `setting-${spec.flag}`;
  // Top-p has to be above zero.
  const minimum = spec.key === 'topP' ? step : spec.minimum;
  const unit = spec.key === 'seconds' ? ' s' : '';
  return (
    <div class={value === undefined ? 'setting resting' : 'setting'} title={spec.summary}>
      <label class="setting-name" for={id}>
        {label}
      </label>
      <span class="setting-value">
        {value === undefined ? 'auto' : `${value}${unit}`}
        {value !== undefined && (
          <button
            type="button"
            class="quiet small"
            aria-label={`Leave ${label} to the model`}
            onClick={() => setOption(spec.key, undefined)}
          >
            <CloseIcon />
          </button>
        )}
      </span>
      <input
        id={id}
        type="range"
        min={minimum}
        max={spec.maximum}
        step={step}
        value={value ?? rest}
        aria-valuetext={value === undefined ? 'left to the model' : `${value}${unit}`}
        onInput={(event) => setOption(spec.key, event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

/** A whole number within the limits, or none. */
function readSeed(field: HTMLInputElement, spec: OptionSpec | undefined): number | undefined {
  const value = field.valueAsNumber;
  if (!Number.isInteger(value) || value < 0 || value > (spec?.maximum ?? 0xffffffff)) return undefined;
  return value;
}
