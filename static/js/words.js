/** What the page says, in English and in Portuguese. */

const WORDS = {
  about_hub: ["A place to talk, for people and programs.", "Um lugar para conversar, para pessoas e programas."],
  add_people: ["Add people", "Adicionar pessoas"],
  added: ["Added", "Adicionado"],
  admin: ["Administrator", "Administração"],
  agent: ["Agent", "Agente"],
  all_caught_up: ["This is where the room begins.", "A sala começa aqui."],
  archived: ["This room is archived: nothing can be written here any more.", "Esta sala está arquivada: já não se pode escrever aqui."],
  away: ["Away", "Ausente"],
  back: ["Back to the rooms", "Voltar às salas"],
  bot: ["Bot", "Robô"],
  browse: ["Find rooms", "Encontrar salas"],
  busy: ["Busy", "Ocupado"],
  cancel: ["Cancel", "Cancelar"],
  choose_room: ["Choose a room on the left, or write to somebody.", "Escolha uma sala à esquerda ou escreva a alguém."],
  close: ["Close", "Fechar"],
  connecting: ["Connecting…", "A ligar…"],
  conversation: ["Conversation", "Conversa"],
  copy: ["Copy", "Copiar"],
  create: ["Create", "Criar"],
  create_room: ["New room", "Nova sala"],
  delete: ["Delete", "Apagar"],
  delete_sure: ["Delete this message for everyone?", "Apagar esta mensagem para todos?"],
  deleted: ["This message was deleted", "Esta mensagem foi apagada"],
  delivered: ["Delivered", "Entregue"],
  direct: ["Direct message", "Mensagem direta"],
  discard: ["Discard", "Descartar"],
  edit: ["Edit", "Editar"],
  earlier: ["An earlier message", "Uma mensagem anterior"],
  edited: ["edited", "editada"],
  editing: ["Editing your message", "A editar a mensagem"],
  email: ["E-mail", "E-mail"],
  emoji: ["Emoji", "Emoji"],
  empty_room: ["Nothing has been said here yet. Say the first word!", "Ainda ninguém disse nada. Diga a primeira palavra!"],
  failed: ["Not sent", "Não enviada"],
  give_up_banned: ["You have been shut out of this hub.", "Foi excluído deste servidor."],
  give_up_kicked: ["An administrator ended your connection.", "A administração terminou a sua ligação."],
  give_up_replaced: ["Too many of your windows are connected; this one had to make way.", "Tem demasiadas janelas ligadas; esta teve de dar lugar."],
  give_up_login_needed: ["Please log in again.", "Inicie sessão de novo."],
  give_up_session_ended: ["You have been logged out.", "A sua sessão terminou."],
  give_up_token_expired: ["Please log in again.", "Inicie sessão de novo."],
  give_up: ["The connection ended: {reason}", "A ligação terminou: {reason}"],
  invite: ["Invitation", "Convite"],
  invited: ["You have been invited: register to come in.", "Foi convidado: registe-se para entrar."],
  join: ["Join", "Entrar"],
  join_to_write: ["Join this room to write in it.", "Entre nesta sala para escrever."],
  jump: ["Jump to the latest message", "Ir para a última mensagem"],
  language: ["Language", "Idioma"],
  leave: ["Leave the room", "Sair da sala"],
  leave_sure: ["Leave this room?", "Sair desta sala?"],
  loading: ["Loading…", "A carregar…"],
  log_in: ["Log in", "Iniciar sessão"],
  log_out: ["Log out", "Terminar sessão"],
  member: ["Member", "Membro"],
  members: ["Members", "Membros"],
  members_n: ["{n} members", "{n} membros"],
  message_actions: ["What to do with this message", "O que fazer com esta mensagem"],
  message_to: ["Message {name}", "Mensagem para {name}"],
  messages_in: ["Messages in {name}", "Mensagens em {name}"],
  moderator: ["Moderator", "Moderador"],
  mute: ["Mute", "Silenciar"],
  muted: ["muted", "silenciado"],
  muted_you: ["You are muted in this room: you can read, not write.", "Está silenciado nesta sala: pode ler, mas não escrever."],
  name: ["Name", "Nome"],
  new_direct: ["Write to somebody", "Escrever a alguém"],
  new_messages: ["New messages", "Mensagens novas"],
  new_n: ["{n} new", "{n} novas"],
  no_account: ["No account yet?", "Ainda não tem conta?"],
  no_match: ["Nothing found for “{q}”.", "Nada encontrado para “{q}”."],
  no_people: ["There is nobody else here yet. Send them the address of this page.", "Ainda não há mais ninguém. Envie o endereço desta página."],
  no_public_rooms: ["No open room is left to join. Create one!", "Não há mais salas abertas. Crie uma!"],
  no_rooms: ["You are in no room yet.", "Ainda não está em nenhuma sala."],
  no_rooms_hint: ["Create a room, find one that is open, or write to somebody.", "Crie uma sala, encontre uma aberta ou escreva a alguém."],
  offline: ["Offline", "Desligado"],
  online: ["Online", "Ligado"],
  organization: ["Organization", "Organização"],
  organization_hint: ["Only asked of the first one here", "Só se pergunta à primeira pessoa"],
  owner: ["Owner", "Dono"],
  password: ["Password", "Palavra-passe"],
  password_hint: ["At least 8 characters", "Pelo menos 8 caracteres"],
  picker: ["Choose an emoji", "Escolher um emoji"],
  private: ["Private", "Privada"],
  private_hint: ["Only those who are added", "Só para quem for adicionado"],
  public: ["Open", "Aberta"],
  public_hint: ["Everyone in the organization may join", "Todos na organização podem entrar"],
  react: ["React", "Reagir"],
  reaction_label: ["{emoji}: {n}", "{emoji}: {n}"],
  read: ["Read", "Lida"],
  register: ["Register", "Registar"],
  remove: ["Remove from the room", "Remover da sala"],
  remove_sure: ["Remove {name} from the room?", "Remover {name} da sala?"],
  reply: ["Reply", "Responder"],
  replying: ["Replying to {name}", "A responder a {name}"],
  restarting: ["The hub is restarting.", "O servidor está a reiniciar."],
  retry: ["Try again", "Tentar de novo"],
  retry_now: ["Try now", "Tentar já"],
  role: ["Role", "Papel"],
  room_lost: ["You are no longer in “{name}”.", "Já não está em “{name}”."],
  rooms: ["Rooms", "Salas"],
  save: ["Save", "Guardar"],
  search_people: ["Search people", "Procurar pessoas"],
  search_rooms: ["Search rooms", "Procurar salas"],
  send: ["Send", "Enviar"],
  sending: ["Sending", "A enviar"],
  sent: ["Stored", "Guardada"],
  setup: ["Welcome! The first account becomes the administrator.", "Bem-vindo! A primeira conta fica com a administração."],
  skip: ["Skip to the messages", "Saltar para as mensagens"],
  something_wrong: ["Something went wrong: {detail}", "Algo correu mal: {detail}"],
  status: ["Status", "Estado"],
  theme: ["Light or dark", "Claro ou escuro"],
  too_long: ["Too long by {n} bytes: at most 10,240 fit into a message.", "{n} bytes a mais: uma mensagem leva no máximo 10 240."],
  today: ["Today", "Hoje"],
  type_audio: ["Audio", "Áudio"],
  type_document: ["Document", "Documento"],
  type_image: ["Picture", "Imagem"],
  type_text: ["Message", "Mensagem"],
  type_video: ["Video", "Vídeo"],
  typing_1: ["{a} is typing…", "{a} está a escrever…"],
  typing_2: ["{a} and {b} are typing…", "{a} e {b} estão a escrever…"],
  typing_n: ["Several people are typing…", "Várias pessoas estão a escrever…"],
  unmute: ["Let write again", "Deixar escrever"],
  unread_n: ["{n} unread", "{n} por ler"],
  waiting: ["No connection. Trying again in {n} s; what you write will be sent then.", "Sem ligação. Nova tentativa em {n} s; o que escrever será enviado depois."],
  with_account: ["You have an account?", "Já tem conta?"],
  yesterday: ["Yesterday", "Ontem"],
  you: ["You", "Você"],
};

const chosen = localStorage.getItem("tertulia.language");
export const language = chosen ?? (navigator.language?.toLowerCase().startsWith("pt") ? "pt" : "en");
const column = language === "pt" ? 1 : 0;
const locale = language === "pt" && !navigator.language?.startsWith("pt") ? "pt" : navigator.language;
document.documentElement.lang = language;

/** The words for `key`, with `{name}` filled in. */
export function t(key, values = {}) {
  const text = WORDS[key]?.[column] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** The words for `key`, or for `otherwise` where there are none. */
export const tOr = (key, otherwise, values) => (WORDS[key] ? t(key, values) : t(otherwise, values));

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const date = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "2-digit", year: "2-digit" });
const exact = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });

const day = (time) => new Date(time).toDateString();
const daysAgo = (time, n) => day(time) === day(Date.now() - n * 86_400_000);

export const timeOf = (time) => clock.format(new Date(time));
export const exactTime = (time) => exact.format(new Date(time));
export const sameDay = (a, b) => day(a) === day(b);

export function dayOf(time) {
  if (daysAgo(time, 0)) return t("today");
  return daysAgo(time, 1) ? t("yesterday") : weekday.format(new Date(time));
}

/** Short, for lists. */
export function shortTime(time) {
  if (!time) return "";
  if (daysAgo(time, 0)) return timeOf(time);
  return daysAgo(time, 1) ? t("yesterday") : date.format(new Date(time));
}
