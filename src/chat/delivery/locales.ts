import type { Stage } from '#contracts/progress';
import type { Button } from '#src/chat/delivery/custom-id';

/** What is said about a request on its way, in one language. */
export interface Words {
  /** Files are being fetched from the platform. */
  fetching: string;
  /** The queue is away. */
  moment: string;
  /** Position 1 is next. */
  queued(position: number): string;
  /** Its worker was lost; it runs again from the start. */
  again: string;
  /** A worker has it and has said nothing yet. */
  starting: string;
  stages: Readonly<Record<Stage, string>>;
  cancelled: string;
  /** Stands before the reason. */
  failed: string;
  buttons: Readonly<Record<Button, string>>;
  /** Title of the form that asks how a track should change, and the label of its field. */
  remixTitle: string;
  remixLabel: string;
  /** Parts of the line under a result. */
  seed: string;
  pack: string;
  job: string;
}

export const LOCALES = ['en', 'zh-CN', 'es', 'de', 'ja'] as const;
export type Locale = (typeof LOCALES)[number];

const en: Words = {
  fetching: 'Fetching the files',
  moment: 'One moment, the queue is away. Your request is kept and goes on by itself.',
  queued: (position) => (position <= 1 ? 'Next in the queue' : `Number ${position} in the queue`),
  again: 'The worker was lost in the middle; taken up again.',
  starting: 'Starting',
  stages: {
    decode: 'Reading',
    encode: 'Listening',
    language: 'Writing',
    music: 'Composing',
    remix: 'Remixing',
    finish: 'Finishing',
  },
  cancelled: 'Cancelled.',
  failed: 'That did not work:',
  buttons: { again: 'Again', vary: 'Vary', extend: 'Extend', remix: 'Remix', cancel: 'Cancel' },
  remixTitle: 'Remix this track',
  remixLabel: 'How should it change?',
  seed: 'seed',
  pack: 'pack',
  job: 'job',
};

const zh: Words = {
  fetching: '正在获取文件',
  moment: '请稍等，队列暂时无法访问。您的请求已保留，会自动继续。',
  queued: (position) => (position <= 1 ? '下一个就是您' : `排在第 ${position} 位`),
  again: '处理程序中途中断，已重新开始。',
  starting: '正在开始',
  stages: {
    decode: '正在读取',
    encode: '正在聆听',
    language: '正在写回答',
    music: '正在作曲',
    remix: '正在混音',
    finish: '即将完成',
  },
  cancelled: '已取消。',
  failed: '未能完成：',
  buttons: { again: '再来一次', vary: '变化', extend: '延长', remix: '混音', cancel: '取消' },
  remixTitle: '混音这首曲子',
  remixLabel: '要怎样改变？',
  seed: '种子',
  pack: '模型包',
  job: '任务',
};

const es: Words = {
  fetching: 'Descargando los archivos',
  moment: 'Un momento, la cola no responde. Tu petición está guardada y sigue sola.',
  queued: (position) => (position <= 1 ? 'El siguiente en la cola' : `Número ${position} en la cola`),
  again: 'Se perdió el proceso a la mitad; se ha vuelto a empezar.',
  starting: 'Empezando',
  stages: {
    decode: 'Leyendo',
    encode: 'Escuchando',
    language: 'Escribiendo',
    music: 'Componiendo',
    remix: 'Remezclando',
    finish: 'Terminando',
  },
  cancelled: 'Cancelado.',
  failed: 'No ha funcionado:',
  buttons: { again: 'Otra vez', vary: 'Variar', extend: 'Alargar', remix: 'Remezclar', cancel: 'Cancelar' },
  remixTitle: 'Remezclar esta pista',
  remixLabel: '¿Cómo debe cambiar?',
  seed: 'semilla',
  pack: 'paquete',
  job: 'trabajo',
};

const de: Words = {
  fetching: 'Dateien werden geholt',
  moment: 'Einen Moment, die Warteschlange ist weg. Die Anfrage ist notiert und geht von selbst weiter.',
  queued: (position) =>
    position <= 1 ? 'Als Nächstes an der Reihe' : `Nummer ${position} in der Warteschlange`,
  again: 'Der Arbeiter ging mittendrin verloren; es wurde neu begonnen.',
  starting: 'Beginnt',
  stages: {
    decode: 'Liest',
    encode: 'Hört zu',
    language: 'Schreibt',
    music: 'Komponiert',
    remix: 'Remixt',
    finish: 'Wird fertig',
  },
  cancelled: 'Abgebrochen.',
  failed: 'Das ging nicht:',
  buttons: {
    again: 'Noch einmal',
    vary: 'Variieren',
    extend: 'Verlängern',
    remix: 'Remixen',
    cancel: 'Abbrechen',
  },
  remixTitle: 'Dieses Stück remixen',
  remixLabel: 'Wie soll es sich ändern?',
  seed: 'Seed',
  pack: 'Paket',
  job: 'Auftrag',
};

const ja: Words = {
  fetching: 'ファイルを取得しています',
  moment: '少々お待ちください。キューに接続できません。リクエストは保存され、自動的に再開します。',
  queued: (position) => (position <= 1 ? '次に処理されます' : `順番待ち：${position} 番目`),
  again: '処理が途中で中断したため、最初からやり直しています。',
  starting: '開始しています',
  stages: {
    decode: '読み込み中',
    encode: '聴いています',
    language: '回答を書いています',
    music: '作曲中',
    remix: 'リミックス中',
    finish: '仕上げ中',
  },
  cancelled: 'キャンセルしました。',
  failed: '実行できませんでした：',
  buttons: {
    again: 'もう一度',
    vary: 'アレンジ',
    extend: '続きを作る',
    remix: 'リミックス',
    cancel: 'キャンセル',
  },
  remixTitle: 'この曲をリミックス',
  remixLabel: 'どのように変えますか？',
  seed: 'シード',
  pack: 'パック',
  job: 'ジョブ',
};

const WORDS: Readonly<Record<Locale, Words>> = { en, 'zh-CN': zh, es, de, ja };

/** The closest of our languages to a BCP 47 tag (`es-419`, `pt_BR`, `zh-TW`); English where there is none. */
export function localeOf(tag: string | undefined): Locale {
  const language = (tag ?? '').toLowerCase().split(/[-_]/)[0];
  return LOCALES.find((locale) => locale.toLowerCase().split('-')[0] === language) ?? 'en';
}

export function wordsFor(tag: string | undefined): Words {
  return WORDS[localeOf(tag)];
}
