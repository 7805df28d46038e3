import { type Locale, localeOf } from '#src/chat/delivery/locales';

/** Sentences that only Discord needs; the rest is in the words both platforms share. */
export interface DiscordWords {
  /** Someone else's button was pressed. */
  notYours: string;
  /** A message command on a message without a file. */
  noFile: string;
  /** A form that was open for too long. */
  formGone: string;
  /** The result or job a button belongs to is no longer known. */
  forgotten: string;
  ended: string;
  stopping: string;
  /** Under the old status message, once the result had to come as a new one. */
  below: string;
  /** Behind the name of a file made smaller to fit. */
  smaller: string;
  /** Behind the name of a file that fits nowhere, where no link can be given. */
  tooLarge: string;
  /** Behind the name of a file that cannot be made ready, for whatever reason of the operator's side. */
  notNow: string;
  composedAs: string;
  /** The whole of a long answer is attached. */
  whole: string;
  voiceHere: string;
  askTitle: string;
  askLabel: string;
}

const en: DiscordWords = {
  notYours: 'Only the person who asked can use this button.',
  noFile: 'There is no file in that message: pick one with a song, a picture or a clip.',
  formGone: 'That form was open for too long: open it again.',
  forgotten: 'That is no longer remembered: ask again.',
  ended: 'It had ended.',
  stopping: 'Stopping it.',
  below: 'It took longer than Discord lets one answer wait. The result comes as a message of its own.',
  smaller: 'made smaller to fit here',
  tooLarge: 'too large for this channel',
  notNow: 'cannot be handed out at the moment',
  composedAs: 'Composed as:',
  whole: 'The whole answer is attached.',
  voiceHere: 'The music is in the voice message.',
  askTitle: 'Ask about this',
  askLabel: 'Your question',
};

const zh: DiscordWords = {
  notYours: '只有提出请求的人才能使用这个按钮。',
  noFile: '那条消息里没有文件：请选择带有歌曲、图片或视频的消息。',
  formGone: '表单打开太久了：请重新打开。',
  forgotten: '这条记录已不再保留：请重新提出。',
  ended: '任务已经结束。',
  stopping: '正在停止。',
  below: '等待时间超过了 Discord 对一次回答的限制，结果将作为新消息发送。',
  smaller: '已压缩以便在此发送',
  tooLarge: '对此频道来说太大',
  notNow: '目前无法发送',
  composedAs: '作曲依据：',
  whole: '完整回答见附件。',
  voiceHere: '音乐在语音消息中。',
  askTitle: '就此提问',
  askLabel: '您的问题',
};

const es: DiscordWords = {
  notYours: 'Solo quien lo pidió puede usar este botón.',
  noFile: 'Ese mensaje no tiene archivo: elige uno con una canción, una imagen o un vídeo.',
  formGone: 'El formulario estuvo abierto demasiado tiempo: ábrelo otra vez.',
  forgotten: 'Eso ya no se recuerda: pídelo de nuevo.',
  ended: 'Ya había terminado.',
  stopping: 'Deteniéndolo.',
  below: 'Tardó más de lo que Discord deja esperar a una respuesta. El resultado llega en otro mensaje.',
  smaller: 'reducido para que quepa aquí',
  tooLarge: 'demasiado grande para este canal',
  notNow: 'no se puede entregar en este momento',
  composedAs: 'Compuesto como:',
  whole: 'La respuesta completa va adjunta.',
  voiceHere: 'La música está en el mensaje de voz.',
  askTitle: 'Preguntar sobre esto',
  askLabel: 'Tu pregunta',
};

const de: DiscordWords = {
  notYours: 'Diesen Knopf kann nur benutzen, wer gefragt hat.',
  noFile: 'In dieser Nachricht ist keine Datei: nimm eine mit Lied, Bild oder Clip.',
  formGone: 'Das Formular war zu lange offen: öffne es noch einmal.',
  forgotten: 'Das ist nicht mehr bekannt: frag noch einmal.',
  ended: 'Es war schon zu Ende.',
  stopping: 'Wird abgebrochen.',
  below: 'Es dauerte länger, als Discord eine Antwort warten lässt. Das Ergebnis kommt als eigene Nachricht.',
  smaller: 'verkleinert, damit es hier passt',
  tooLarge: 'zu groß für diesen Kanal',
  notNow: 'kann gerade nicht ausgehändigt werden',
  composedAs: 'Komponiert als:',
  whole: 'Die ganze Antwort hängt an.',
  voiceHere: 'Die Musik ist in der Sprachnachricht.',
  askTitle: 'Dazu fragen',
  askLabel: 'Deine Frage',
};

const ja: DiscordWords = {
  notYours: 'このボタンは依頼した人だけが使えます。',
  noFile: 'そのメッセージにはファイルがありません。曲・画像・動画のあるメッセージを選んでください。',
  formGone: 'フォームの有効時間が過ぎました。もう一度開いてください。',
  forgotten: 'その記録はもう残っていません。もう一度依頼してください。',
  ended: 'すでに終了しています。',
  stopping: '停止しています。',
  below: 'Discord が一つの返信を待てる時間を超えました。結果は別のメッセージで届きます。',
  smaller: 'ここに収まるよう小さくしました',
  tooLarge: 'このチャンネルには大きすぎます',
  notNow: '現在お渡しできません',
  composedAs: '作曲の内容：',
  whole: '回答の全文を添付しました。',
  voiceHere: '音楽はボイスメッセージにあります。',
  askTitle: 'これについて質問',
  askLabel: '質問',
};

const WORDS: Readonly<Record<Locale, DiscordWords>> = { en, 'zh-CN': zh, es, de, ja };

/** @param tag BCP 47, as Discord says it. */
export function discordWords(tag: string | undefined): DiscordWords {
  return WORDS[localeOf(tag)];
}
