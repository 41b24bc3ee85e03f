/** What the page says, in English and in Portuguese. */

const WORDS = {
  about_hub: ["A place to talk, for people and programs.", "Um lugar para conversar, para pessoas e programas."],
  add_people: ["Add people", "Adicionar pessoas"],
  added_to: ["You are now in “{name}”.", "Agora está em “{name}”."],
  added: ["Added", "Adicionado"],
  admin: ["Administrator", "Administração"],
  agent: ["Agent", "Agente"],
  all_caught_up: ["This is where the room begins.", "A sala começa aqui."],
  archive: ["Archive", "Arquivar"],
  archive_sure: ["Archive this room? It can be read, and nothing can be written any more.", "Arquivar esta sala? Pode ser lida, mas já não se pode escrever."],
  archived: ["This room is archived: nothing can be written here any more.", "Esta sala está arquivada: já não se pode escrever aqui."],
  away: ["Away", "Ausente"],
  back: ["Back to the rooms", "Voltar às salas"],
  ban: ["Ban", "Banir"],
  ban_sure: ["Ban {name}? They cannot come back until they are let in again.", "Banir {name}? Não poderá voltar até ser readmitido."],
  banned: ["Banned", "Banidos"],
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
  created_on: ["Created on {date}", "Criada em {date}"],
  create_room: ["New room", "Nova sala"],
  delete: ["Delete", "Apagar"],
  delete_sure: ["Delete this message for everyone?", "Apagar esta mensagem para todos?"],
  deleted: ["This message was deleted", "Esta mensagem foi apagada"],
  delivered: ["Delivered", "Entregue"],
  direct: ["Direct message", "Mensagem direta"],
  device: ["A browser", "Um navegador"],
  discard: ["Discard", "Descartar"],
  edit: ["Edit", "Editar"],
  earlier: ["An earlier message", "Uma mensagem anterior"],
  edited: ["edited", "editada"],
  editing: ["Editing your message", "A editar a mensagem"],
  error_conflict_email: ["There is an account with this e-mail already. Log in instead.", "Já há uma conta com este e-mail. Inicie sessão."],
  error_forbidden: ["You may not do this.", "Não tem permissão para isto."],
  error_internal: ["Something went wrong on the hub. Please try again.", "Algo correu mal no servidor. Tente de novo."],
  error_invalid_credentials: ["The e-mail or the password is wrong.", "O e-mail ou a palavra-passe não estão certos."],
  error_invalid_payload_email: ["Please enter an e-mail address, as ana@example.com.", "Escreva um endereço de e-mail, como ana@example.com."],
  error_invalid_payload_name: ["A name has 1 to 100 characters, and no control characters.", "Um nome tem 1 a 100 carateres, sem carateres de controlo."],
  error_invalid_payload_password: ["A password has 8 to 256 characters.", "A palavra-passe tem 8 a 256 carateres."],
  error_invalid_payload_invite: ["This invitation is not good, or was used already.", "Este convite não é válido ou já foi usado."],
  error_message_too_large: ["This message is too long.", "Esta mensagem é demasiado longa."],
  error_not_found: ["That is not there any more.", "Isso já não existe."],
  error_not_joined: ["You are not in this room any more.", "Já não está nesta sala."],
  error_offline: ["The hub cannot be reached.", "Não se consegue chegar ao servidor."],
  error_rate_limited: ["Too many requests at once. It goes on in {n} s.", "Demasiados pedidos de uma vez. Continua dentro de {n} s."],
  error_unavailable: ["The hub is busy. It goes on in a moment.", "O servidor está ocupado. Continua daqui a pouco."],
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
  invite_hint: ["The address is good for one person and 7 days.", "O endereço serve para uma pessoa e 7 dias."],
  invite_make: ["Invite somebody", "Convidar alguém"],
  invited: ["You have been invited: register to come in.", "Foi convidado: registe-se para entrar."],
  join: ["Join", "Entrar"],
  join_to_write: ["Join this room to write in it.", "Entre nesta sala para escrever."],
  jump: ["Jump to the latest message", "Ir para a última mensagem"],
  language: ["Language", "Idioma"],
  leave: ["Leave the room", "Sair da sala"],
  leave_sure: ["Leave this room?", "Sair desta sala?"],
  loading: ["Loading…", "A carregar…"],
  logins: ["Where you are logged in", "Onde tem sessão iniciada"],
  log_in: ["Log in", "Iniciar sessão"],
  log_out: ["Log out", "Terminar sessão"],
  member: ["Member", "Membro"],
  members: ["Members", "Membros"],
  members_1: ["1 member", "1 membro"],
  members_n: ["{n} members", "{n} membros"],
  message_actions: ["What to do with this message", "O que fazer com esta mensagem"],
  message_to: ["Message {name}", "Mensagem para {name}"],
  messages_in: ["Messages in {name}", "Mensagens em {name}"],
  more_new: ["More above is unread", "Há mais por ler acima"],
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
  profile: ["You", "Você"],
  public: ["Open", "Aberta"],
  public_hint: ["Everyone in the organization may join", "Todos na organização podem entrar"],
  react: ["React", "Reagir"],
  reaction_label: ["{emoji}: {n}", "{emoji}: {n}"],
  read: ["Read", "Lida"],
  register: ["Register", "Registar"],
  rename: ["Rename", "Mudar o nome"],
  remove: ["Remove from the room", "Remover da sala"],
  remove_sure: ["Remove {name} from the room?", "Remover {name} da sala?"],
  reply: ["Reply", "Responder"],
  replying: ["Replying to {name}", "A responder a {name}"],
  restarting: ["The hub is restarting.", "O servidor está a reiniciar."],
  retry: ["Try again", "Tentar de novo"],
  retry_now: ["Try now", "Tentar já"],
  role: ["Role", "Papel"],
  room_missing: ["This room is not there, or it is not open to you.", "Esta sala não existe ou não está aberta para si."],
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
  this_one: ["this one", "esta"],
  today: ["Today", "Hoje"],
  type_audio: ["Audio", "Áudio"],
  type_document: ["Document", "Documento"],
  type_image: ["Picture", "Imagem"],
  type_text: ["Message", "Mensagem"],
  type_video: ["Video", "Vídeo"],
  typing_1: ["{a} is typing…", "{a} está a escrever…"],
  typing_2: ["{a} and {b} are typing…", "{a} e {b} estão a escrever…"],
  typing_n: ["Several people are typing…", "Várias pessoas estão a escrever…"],
  unarchive: ["Open again", "Reabrir"],
  unban: ["Let in again", "Readmitir"],
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

/** "1 member", "2 members". */
export const members = (n) => t(n === 1 ? "members_1" : "members_n", { n });

/** What went wrong, in the reader's language; where there are no words for it, in those of the hub. */
export function explain(error) {
  const { code, field, message, retry_after_ms } = error;
  for (const key of [`error_${code}_${field}`, `error_${code}`]) {
    if (WORDS[key]) return t(key, { n: Math.ceil((retry_after_ms ?? 1_000) / 1_000) });
  }
  return message || t("something_wrong", { detail: code });
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
export const fullDate = (time) => (time ? date.format(new Date(time)) : "");
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
