# Что находит доктор.

health-title = Состояние
health-all = Прочитать и всю базу
health-good = Никто не нужен: всё в порядке.
health-wrong =
    { $n ->
        [one] { $n } вещь требует внимания.
        [few] { $n } вещи требуют внимания.
       *[many] { $n } вещей требуют внимания.
    }
health-verdict = Как дела
health-check = Что
health-subject = У чего
health-measured = Измерено
verdict-good = хорошо
verdict-remark = взгляните
verdict-wrong = плохо
doctor-seconds = { $n } с
doctor-check-configuration = конфигурация
doctor-check-migrations = схема базы
doctor-check-integrity = целость базы
doctor-check-account = учётную запись слышно
doctor-check-link = связь
doctor-check-refused = сообщения не приняты
doctor-check-clock = часы расходятся на
doctor-check-extension = телефон ничей
doctor-check-number = номер без канала
doctor-check-recordings-waiting = записи ждут
doctor-check-recordings-failed = записи не сохранены
doctor-check-outbox = задания ждут, старейшее
doctor-check-letters = непонятые сообщения
doctor-check-certificate = сертификат действует ещё
doctor-check-disk = свободное место
doctor-check-permissions = кто может читать
doctor-check-figures = показатели расходятся

# Почему соединения с АТС нет.

fault-not-yet = ещё не соединялись
fault-unreachable = соединиться не удалось: { $words }
fault-late = соединиться вовремя не удалось
fault-untrusted = нет TLS: { $words }
fault-deaf = слушать по этому адресу не удалось: { $words }
fault-closed = АТС закрыла соединение
fault-lost = соединение потеряно: { $words }
fault-silent = АТС замолчала
fault-unheard = АТС не читает то, что ей говорят
fault-decoder = разбор сообщений дал сбой
fault-behind = сообщений больше, чем успевает принять база
fault-refused = АТС не впустила: { $words }
fault-stranger = отвечает не эта АТС
fault-intruder = тот, кто соединился, не показал пользователя и пароль
fault-uninvited = соединилась не эта АТС
fault-replaced = наше место на АТС заняла другая программа
fault-mute = АТС не отвечает на вопросы по этому соединению: это умеют { $words } и новее
detail-refused = там никто не слушает
detail-unresolved = такого имени никто не знает
detail-unrouted = туда нет дороги
detail-timeout = никто не отвечает
detail-broken = связь оборвалась
detail-taken = адрес уже занят
detail-not-ours = это адрес не этой машины
detail-forbidden = это запрещено
detail-no-file = файл не годится ({ $words })
detail-no-tls = там говорят не по TLS
detail-unknown-authority = сертификат выдан тем, кому нет доверия
detail-expired = срок сертификата истёк
detail-other-name = имя в сертификате другое

# Почему сообщение не прочитано, а прошлые звонки не получены.

reason-unreadable = не читается
reason-unreadable-so = не читается: { $words }
reason-field = поле { $words } отсутствует или негодно
reason-too-large = больше { $words } байт
reason-refused = АТС отказала: { $words }
reason-answer = ответ АТС не удалось разобрать
reason-throttled = АТС просит подождать: { $words }
unread-json-syntax-error = ошибка в записи JSON
unread-json-data-error = в JSON не то, что ожидалось
unread-json-eof-error = JSON обрывается
unread-json-io-error = JSON не дочитан
unread-the-body-is-no-form = это не форма
unread-neither-an-object-nor-a-form = это не объект и не форма
unread-not-a-form-with-a-json-field = это не форма с полем json
unread-not-utf-8 = это не UTF-8
unread-broken-percent-escape = испорчена запись через процент
unread-parts = форма из частей испорчена
unread-a-row = в строке не столько столбцов
unread-twice = { $words } стоит дважды
unread-the-decoder-gave-up = разбор дал сбой
unread-the-journal-does-not-hold-a-request = в журнале записан не запрос
unread-the-account-is-not-in-the-configuration = такой учётной записи в конфигурации нет
unread-it-is-neither-of-the-accounts-type-nor-facts-of-our-own = это не от такой АТС и не собственные сведения
unread-this-pbx-does-not-ask-so = эта АТС так не спрашивает
unread-this-pbx-cannot-do-that = эта АТС такого не умеет
unread-the-pbx-has-nothing-of-the-kind-yet = у АТС такого ещё нет
unread-the-pbx-cannot-be-reached = АТС недоступна
unread-the-address-is-not-a-web-address = это не адрес в сети
unread-a-redirect-would-give-data-away = перенаправление выдало бы данные
unread-the-redirects-lead-nowhere = перенаправления никуда не ведут
unread-the-host-answered-too-slowly = сервер отвечал слишком медленно
unread-the-host-could-not-be-reached = сервер недоступен
refusal-method = не тот метод
refusal-no-account = нет такой учётной записи
refusal-too-large = слишком большое
refusal-too-slow = приходило слишком медленно
refusal-broken-off = оборвалось
refusal-token = не тот секрет в адресе
refusal-signature = не та подпись
refusal-stale = устарело
refusal-too-many = слишком много сразу
