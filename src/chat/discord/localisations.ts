import type { CommandName } from '#commands/spec';
import type { RequestOptions } from '#contracts/request';

/** Languages commands are shown in besides English, as Discord calls them. */
export const TRANSLATIONS = ['zh-CN', 'es-ES', 'de', 'ja'] as const;
export type Translation = (typeof TRANSLATIONS)[number];

/** Name and description in one language. */
export type Wording = readonly [name: string, description: string];

/** What stands behind a command's name: its own words, and what only this platform's forms have. */
export type FieldName =
  | keyof RequestOptions
  | 'question'
  | 'focus'
  | 'prompt'
  | 'instruction'
  | 'id'
  | 'topic'
  | 'file'
  | 'extend'
  | 'voice'
  | 'setting'
  | 'value';
export type ShortcutName = 'ask' | 'generate' | 'remix';
export type SettingsAction = 'show' | 'set' | 'reset' | 'forget-me';

/** Everything of one language; a command or option that is added elsewhere does not compile without its words. */
export interface Localisation {
  commands: Readonly<Record<CommandName, Wording>>;
  fields: Readonly<Record<FieldName, Wording>>;
  settings: Readonly<Record<SettingsAction, Wording>>;
  /** Names of the commands on a message. */
  shortcuts: Readonly<Record<ShortcutName, string>>;
}

const zh: Localisation = {
  commands: {
    ask: ['提问', '就歌曲、图片、视频或音乐本身提问'],
    describe: ['描述', '描述一首歌、一张图片或一段视频'],
    generate: ['作曲', '根据文字、图片、视频或歌曲创作音乐'],
    remix: ['混音', '说出怎样修改，就怎样修改曲目'],
    queue: ['队列', '查看正在等待和运行的任务'],
    cancel: ['取消', '停止您在这里最新的任务，或指定编号的任务'],
    settings: ['设置', '查看或更改您的默认设置，或删除您的全部数据'],
    help: ['帮助', '查看所有命令，或某个命令的选项'],
  },
  fields: {
    question: ['问题', '想问什么'],
    focus: ['重点', '描述时要注意什么'],
    prompt: ['描述', '音乐应该是什么样的'],
    instruction: ['要求', '怎样修改'],
    id: ['编号', '任务编号'],
    topic: ['命令', '想了解哪个命令'],
    file: ['文件', '歌曲、图片或视频'],
    extend: ['续写', '续写附上的曲目或最后一首曲目'],
    voice: ['语音', '以语音消息发送音乐'],
    setting: ['项目', '设置项'],
    value: ['值', '新的值'],
    seed: ['种子', '相同的种子得到相同的结果；不填则随机'],
    temperature: ['温度', '用词的自由程度，0（总取最可能的）到 2'],
    topP: ['核采样', '在合计达到此概率的最可能的词中选择，大于 0 到 1'],
    guidance: ['引导', '音乐遵循文字的程度，1 到 10'],
    seconds: ['秒数', '新音乐的长度，1 到 60 秒'],
    conditioning: ['条件', '由什么引导音乐：模型自身的条件（projector）或其说明文字（caption）'],
    format: ['格式', '文件格式；来源是视频时可用 mp4'],
    device: ['设备', '任务必须在哪种设备上运行'],
    pack: ['模型包', '由哪个模型包回答'],
  },
  settings: {
    show: ['查看', '查看您的设置'],
    set: ['更改', '更改一项设置'],
    reset: ['还原', '还原一项或全部设置'],
    'forget-me': ['忘记我', '删除您提供的一切：请求、文件、结果和设置'],
  },
  shortcuts: { ask: '就此提问', generate: '为此配乐', remix: '混音此曲' },
};

const es: Localisation = {
  commands: {
    ask: ['preguntar', 'Pregunta sobre una canción, una imagen, un vídeo o la música en general'],
    describe: ['describir', 'Describe una canción, una imagen o un vídeo'],
    generate: ['componer', 'Compone música a partir de palabras, o para una imagen, un vídeo o una canción'],
    remix: ['remezclar', 'Cambia una pista diciendo cómo'],
    queue: ['cola', 'Muestra lo que espera y lo que está en marcha'],
    cancel: ['cancelar', 'Detiene tu último trabajo aquí, o el del id indicado'],
    settings: ['ajustes', 'Muestra o cambia tus valores por defecto, o borra todo lo tuyo'],
    help: ['ayuda', 'Muestra los comandos, o las opciones de uno'],
  },
  fields: {
    question: ['pregunta', 'Qué quieres saber'],
    focus: ['enfoque', 'En qué fijarse'],
    prompt: ['descripción', 'Cómo debe ser la música'],
    instruction: ['instrucción', 'Cómo debe cambiar'],
    id: ['id', 'Id del trabajo'],
    topic: ['comando', 'De qué comando'],
    file: ['archivo', 'Una canción, una imagen o un vídeo'],
    extend: ['continuar', 'Continúa la pista adjunta o la última'],
    voice: ['voz', 'La música como mensaje de voz'],
    setting: ['ajuste', 'Qué ajuste'],
    value: ['valor', 'Su nuevo valor'],
    seed: ['semilla', 'La misma semilla da el mismo resultado; al azar si se omite'],
    temperature: ['temperatura', 'Libertad al elegir palabras, de 0 (siempre la más probable) a 2'],
    topP: ['top-p', 'Elige entre las palabras más probables que juntas suman esta probabilidad'],
    guidance: ['guía', 'Cuánto sigue la música a las palabras, de 1 a 10'],
    seconds: ['segundos', 'Duración de la música nueva, de 1 a 60 segundos'],
    conditioning: [
      'condición',
      'Qué guía la música: la condición del modelo (projector) o su texto (caption)',
    ],
    format: ['formato', 'Formato del archivo; mp4 si el origen es un vídeo'],
    device: ['dispositivo', 'En qué tipo de dispositivo debe ejecutarse'],
    pack: ['paquete', 'Nombre del paquete de modelos que responde'],
  },
  settings: {
    show: ['mostrar', 'Muestra tus ajustes'],
    set: ['cambiar', 'Cambia un ajuste'],
    reset: ['restablecer', 'Restablece un ajuste o todos'],
    'forget-me': ['olvídame', 'Borra todo lo que has dado: peticiones, archivos, resultados y ajustes'],
  },
  shortcuts: { ask: 'Preguntar sobre esto', generate: 'Música para esto', remix: 'Remezclar esto' },
};

const de: Localisation = {
  commands: {
    ask: ['fragen', 'Stellt eine Frage zu einem Lied, Bild oder Clip oder zu Musik überhaupt'],
    describe: ['beschreiben', 'Beschreibt ein Lied, ein Bild oder einen Clip'],
    generate: ['komponieren', 'Komponiert Musik aus Worten oder zu einem Bild, Clip oder Lied'],
    remix: ['remixen', 'Ändert ein Stück so, wie man es sagt'],
    queue: ['warteschlange', 'Zeigt, was wartet und läuft'],
    cancel: ['abbrechen', 'Bricht den letzten eigenen Auftrag hier ab, oder den mit der Nummer'],
    settings: ['einstellungen', 'Zeigt oder ändert eigene Vorgaben, oder löscht alles Eigene'],
    help: ['hilfe', 'Zeigt die Befehle, oder die Optionen von einem'],
  },
  fields: {
    question: ['frage', 'Was man wissen möchte'],
    focus: ['augenmerk', 'Worauf zu achten ist'],
    prompt: ['beschreibung', 'Wie die Musik sein soll'],
    instruction: ['anweisung', 'Wie es sich ändern soll'],
    id: ['nummer', 'Nummer des Auftrags'],
    topic: ['befehl', 'Zu welchem Befehl'],
    file: ['datei', 'Ein Lied, ein Bild oder ein Clip'],
    extend: ['fortsetzen', 'Setzt das angehängte oder das letzte Stück fort'],
    voice: ['sprachnachricht', 'Musik als Sprachnachricht'],
    setting: ['einstellung', 'Welche Einstellung'],
    value: ['wert', 'Ihr neuer Wert'],
    seed: ['seed', 'Derselbe Seed gibt dasselbe Ergebnis; sonst gewürfelt'],
    temperature: ['temperatur', 'Wie frei Worte gewählt werden, 0 (immer das wahrscheinlichste) bis 2'],
    topP: ['top-p', 'Wählt unter den wahrscheinlichsten Worten, die zusammen so wahrscheinlich sind'],
    guidance: ['führung', 'Wie eng die Musik den Worten folgt, 1 bis 10'],
    seconds: ['sekunden', 'Länge neuer Musik, 1 bis 60 Sekunden'],
    conditioning: [
      'bedingung',
      'Was die Musik leitet: das Modell selbst (projector) oder sein Text (caption)',
    ],
    format: ['format', 'Format der Datei; mp4, wo die Quelle ein Clip ist'],
    device: ['gerät', 'Auf welcher Art Gerät der Auftrag laufen muss'],
    pack: ['paket', 'Name des Modellpakets, das antwortet'],
  },
  settings: {
    show: ['zeigen', 'Zeigt die eigenen Einstellungen'],
    set: ['ändern', 'Ändert eine Einstellung'],
    reset: ['zurücksetzen', 'Nimmt eine oder alle Einstellungen zurück'],
    'forget-me': ['vergiss-mich', 'Löscht alles Gegebene: Anfragen, Dateien, Ergebnisse und Einstellungen'],
  },
  shortcuts: { ask: 'Dazu fragen', generate: 'Musik dazu', remix: 'Das remixen' },
};

const ja: Localisation = {
  commands: {
    ask: ['質問', '曲・画像・動画、または音楽全般について質問します'],
    describe: ['説明', '曲・画像・動画を説明します'],
    generate: ['作曲', '言葉から、または画像・動画・曲に合わせて作曲します'],
    remix: ['リミックス', '言葉で伝えたとおりに曲を変えます'],
    queue: ['順番待ち', '待機中と実行中のジョブを表示します'],
    cancel: ['キャンセル', 'ここでの最新のジョブ、または指定した番号のジョブを止めます'],
    settings: ['設定', '自分の初期値を表示・変更、または自分のデータをすべて削除します'],
    help: ['ヘルプ', 'コマンドの一覧、またはそのオプションを表示します'],
  },
  fields: {
    question: ['質問', '知りたいこと'],
    focus: ['注目点', '注目してほしい点'],
    prompt: ['内容', 'どのような音楽か'],
    instruction: ['指示', 'どのように変えるか'],
    id: ['番号', 'ジョブの番号'],
    topic: ['コマンド', 'どのコマンドか'],
    file: ['ファイル', '曲・画像・動画'],
    extend: ['続き', '添付した曲、または最後の曲の続きを作ります'],
    voice: ['ボイス', '音楽をボイスメッセージで送ります'],
    setting: ['項目', 'どの設定か'],
    value: ['値', '新しい値'],
    seed: ['シード', '同じシードなら同じ結果になります。省略時は無作為'],
    temperature: ['温度', '言葉の選び方の自由さ、0（常に最有力）から 2'],
    topP: ['top-p', '合計がこの確率になる有力な言葉から選びます（0 より大きく 1 まで）'],
    guidance: ['ガイダンス', '音楽が言葉にどれだけ従うか、1 から 10'],
    seconds: ['秒数', '新しい音楽の長さ、1 から 60 秒'],
    conditioning: ['条件', '音楽を導くもの：モデル自身の条件（projector）か説明文（caption）'],
    format: ['形式', 'ファイル形式。元が動画なら mp4 も可'],
    device: ['デバイス', 'ジョブを実行するデバイスの種類'],
    pack: ['パック', '答えるモデルパックの名前'],
  },
  settings: {
    show: ['表示', '自分の設定を表示します'],
    set: ['変更', '設定を一つ変更します'],
    reset: ['初期化', '設定を一つ、またはすべて元に戻します'],
    'forget-me': ['忘れて', '依頼・ファイル・結果・設定など、渡したものをすべて削除します'],
  },
  shortcuts: { ask: 'これについて質問', generate: 'これに音楽をつける', remix: 'これをリミックス' },
};

export const LOCALISATIONS: Readonly<Record<Translation, Localisation>> = {
  'zh-CN': zh,
  'es-ES': es,
  de,
  ja,
};
