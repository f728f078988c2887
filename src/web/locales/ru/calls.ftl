# Звонки: окно звонка, рабочий стол, журнал, страница звонка.

desk-title = Рабочий стол
watch-start = Смотреть звонки сотрудников
watch-stop = Не смотреть звонки сотрудников
tasks-title = Перезвонить
tasks-none = Все пропущенные обработаны.
unclaimed-title = Пропущенные без ответственного
task-missed-at = пропущен
task-late = просрочено на { $span }
task-left = осталось { $span }
task-close = Не нужно
task-close-hint = Закрыть без звонка
call-back = Перезвонить
latest-title = Мои последние звонки
latest-none = За неделю звонков не было.

pop-stage-ringing = Звонит
pop-stage-talking = Разговор
pop-stage-wrap-up = Итог звонка
pop-watched = Звонят сотруднику
pop-say = Звонит { $who }
pop-hide = Скрыть (Esc)
pop-first-call = первый звонок
pop-source = Откуда
pop-keys = нажал
pop-owner = Ответственный
pop-owner-you = вы
pop-owner-none = пока никто
pop-why = Почему вы
pop-match = Узнан по
pop-others =
    { $n ->
        [one] ещё { $n } карточка с этим номером
        [few] ещё { $n } карточки с этим номером
       *[other] ещё { $n } карточек с этим номером
    }
pop-last = Последние звонки
pop-open-card = Карточка
pop-open-call = О звонке
copy-number = Копировать
note-label = Заметка
note-placeholder = Заметка о клиенте (N)
note-save = Сохранить заметку
wrap-title = Чем закончилось
wrap-done = Готово
wrap-agreed = Договорились
wrap-call-later = Перезвонить позже
wrap-thinking = Думает
wrap-not-interested = Не интересно
wrap-wrong-number = Ошиблись номером

why-owner = ваш клиент
why-pbx = так решила АТС
why-supervises = вы смотрите звонки сотрудников
why-transfer-blind = перевёл { $from }
why-transfer-attended = перевёл после разговора { $from }

direction-in = входящий
direction-out = исходящий
direction-internal = внутренний
direction-unknown = направление неизвестно

phase-waiting = ожидает
phase-ringing = звонит
phase-talking = разговор

result-answered = отвечен
result-missed = пропущен
result-abandoned = не дождался
result-busy = занято
result-rejected = отклонён
result-no-route = номер недоступен
result-failed = сбой
result-voicemail = голосовая почта
result-ivr-only = только меню
result-after-hours = нерабочее время
result-blocked = заблокирован
result-unknown = неизвестно

number-unknown = номер неизвестен
number-withheld = номер скрыт

col-started = Начало
col-client = Клиент
col-result = Результат
col-person = Сотрудник
col-line = Линия
col-wait = Ожидание
col-talk = Разговор
col-recording = Запись
wait-formula = От начала звонка до первого ответа человека или до конца
talk-formula = От первого ответа человека до конца без удержания

recording-mark-kept = есть запись
recording-mark-no-player = запись можно только скачать
recording-mark-waiting = запись ещё не готова
recording-mark-fetching = запись загружается
recording-mark-refused = запись не принята
recording-mark-failed = запись не загрузилась
recording-mark-absent = записи нет

route-owner = вы ответственный за клиента
route-deputy = вы заменяете ответственного
route-group = очередь вашей группы
route-no-rule = правила нет, так решила АТС
route-nobody-left = больше никого нет
route-timeout = правило не успело ответить, так решила АТС
route-store-away = база недоступна, так решила АТС

match-own-number = личному номеру
match-number-and-extension = номеру с добавочным
match-company-line = номеру компании
match-shared-number = общему номеру
match-created = никому: это новый клиент

journal-title = Звонки
live-title = Сейчас
journal-empty = За этот период звонков нет.
journal-filtered = Под эти условия звонки не подходят.
journal-clear = Убрать условия
export-csv = Скачать CSV
period-label = Период
period-today = Сегодня
period-yesterday = Вчера
period-week = 7 дней
period-month = 30 дней
filter-from = С
filter-to = По
filter-direction = Направление
filter-result = Результат
filter-any = все
filter-exactly = Точно
filter-number = Номер
filter-number-hint = номер или последние цифры
filter-number-whole = номер целиком
number-part-ignored = Номера для вас скрыты, поэтому номер ищется только целиком. Введённое не учтено.
filter-apply = Показать
outcome-over = завершённые
outcome-answered = отвечены
outcome-unreached = без ответа
outcome-open = ждут звонка
totals-more-than = больше
totals-calls =
    { $n ->
        [one] звонок
        [few] звонка
       *[other] звонков
    }
totals-answered = отвечено
totals-open = ждут звонка
totals-talk = разговоры

call-title = Звонок, { $when }
reveal = Показать номер
call-client = Позвонить
calling = Звоним: снимите трубку, потом соединим с клиентом.
call-key = Ключ у АТС:
copy-id = Копировать номер звонка
col-ring = Гудки
col-hold = удержание
ring-formula = От первого гудка у сотрудника (исходящий — у клиента) до ответа или конца
call-ended = Завершил
call-going-on = идёт
hangup-client = клиент
hangup-employee = сотрудник
hangup-pbx = АТС
ended-hung-up = кто — неизвестно
ended-unknown = конец потерян
pop-ms = До экрана
pop-ms-formula = От прихода события АТС до отправки окна звонка в первый браузер
legs-title = Кто звонил и отвечал
leg-party = Участник
leg-rang = Гудки
leg-answered = Ответ
leg-ended = Конец
leg-initiator = звонок по кнопке
leg-result-answered = разговор
leg-result-elsewhere = ответил другой
transfers-title = Переводы
transfer-blind = без разговора
transfer-attended = после разговора
party-unknown = неизвестно кто
party-client = клиент
party-menu = меню
party-voicemail = голосовая почта
party-glue = служебный канал
party-queue = очередь { $name }
party-conference = конференция { $name }
cause-normal = обычное завершение
cause-no-answer = не ответил
cause-busy = занят
cause-rejected = отклонил
cause-cancelled = звонок снят
cause-answered-elsewhere = ответил другой
cause-no-route = нет такого номера
cause-unreachable = недоступен
cause-blocked = заблокирован
cause-after-hours = нерабочее время
cause-failed = сбой
cause-unknown = причина неизвестна
decisions-title = Кому решено звонить
decision-at = Когда · попытка
decision-targets = Кому
decision-reason = Почему
decision-ring = Сколько
decision-took = Решали
chain-title = Окно звонка: кому и когда
chain-reason = Почему
chain-received = Событие
chain-decided = Решено
chain-delivered = Доставлено
chain-painted = На экране
chain-withdrawn = Убрано
chain-after = +{ $n } мс
chain-outgoing = Исходящие и внутренние звонки окна не открывают.
chain-no-card = Карточки нет: номер скрыт, служебный или не разобран.
chain-unmapped = Внутренний номер { $extension } ни за кем не закреплён.
chain-nobody-rung = АТС не сообщила, что у кого-нибудь звонит телефон.
chain-not-decided = { $name }: телефон звонил, но об этом стало известно уже после звонка.
chain-no-page = { $name }: страница не была открыта.
pop-reason-rung = звонил телефон
pop-reason-supervises = смотрит сотрудников
gone-answered-elsewhere = ответил другой
gone-moved-on = звонок ушёл дальше
gone-ended = звонок закончился
gone-merged = объединён
gone-done = закончил
facts-title =
    { $n ->
        [one] Что сообщила АТС: { $n } событие
        [few] Что сообщила АТС: { $n } события
       *[other] Что сообщила АТС: { $n } событий
    }
facts-sealed = События старого звонка убраны в архив.
fact-parties = участники
fact-same-call = тот же звонок
fact-summary = итог от АТС
fact-over = звонок окончен
fact-unheard = больше ничего не слышно
fact-leg = участник
fact-dialled = вызван
fact-rings = звонит
fact-up = снята трубка
fact-talks = говорит с
fact-enters = вошёл в
fact-leaves = вышел из
fact-tied-to = связан
fact-holds = удержание
fact-resumes = снят с удержания
fact-runs = обрабатывает
fact-transfers = переводит
fact-transferred-from = переведён от
fact-ends = завершён
fact-recording = запись
fact-digits = нажаты клавиши
fact-sip-call-id = SIP Call-ID
fact-tracking = источник
fact-route-answered = решено звонить
fact-command-sent = команда отправлена
fact-command-result = итог команды

recordings-title = Запись разговора
recording-no-right = Запись есть, но слушать её у вас нет права.
recording-state-waiting = Ждём запись от АТС.
recording-state-fetching = Запись загружается.
recording-state-no-player = Этот формат нельзя слушать в браузере, но файл можно скачать.
recording-state-failed = Запись загрузить не удалось.
recording-state-refused = То, что прислала АТС, — не запись.
recording-state-absent = АТС сообщила, что записи нет.
recording-state-kept = Запись на месте.
recording-download = Скачать
player-play = Слушать
player-pause = Пауза
player-seconds = с
player-position = Место в записи
player-speed = Скорость
player-problem = Запись не открывается. Попробуйте ещё раз или скачайте файл.
waveform-two = Громкость: клиент сверху, сотрудник снизу
waveform-one = Громкость записи
side-client = клиент
side-employee = сотрудник
share-talk = речь
share-overlap = перебивали
share-nobody = тишина

recording-reason-not-there = Файла на месте нет.
recording-reason-still-growing = Файл ещё пишется.
recording-reason-outside-folder = Файл лежит вне разрешённой папки.
recording-reason-too-large = Файл слишком большой.
recording-reason-disk = Не получилось записать на диск.
recording-reason-bad-address = Адрес не читается.
recording-reason-host-not-allowed = Этого адреса нет среди разрешённых.
recording-reason-private-address = Адрес ведёт во внутреннюю сеть.
recording-reason-bad-redirect = Адрес перенаправляет не туда.
recording-reason-too-slow = Файл отдают слишком медленно.
recording-reason-unreachable = Сервер записей недоступен.
recording-reason-not-allowed = Сервер записей не пускает.
recording-reason-host-error = Ошибка на сервере записей.
recording-reason-gsm = Формат GSM 6.10.
recording-reason-unknown-codec = Незнакомый кодек.
recording-reason-unknown-container = Незнакомый формат файла.
recording-reason-empty = Файл пуст.
recording-reason-web-page = Вместо записи пришла веб-страница.
recording-reason-text = Вместо записи пришёл текст.
recording-reason-archive = Вместо записи пришёл архив.
recording-reason-not-audio = Это не звук.
recording-reason-truncated = Файл обрывается.
recording-reason-damaged = Файл повреждён.
recording-reason-no-sound = В файле нет звука.
recording-reason-sample-rate = Необычная частота звука.
recording-reason-channels = Необычное число дорожек.
recording-reason-too-long = Запись слишком длинная.
recording-reason-no-source = АТС не сказала, где запись.
recording-reason-no-account = Учётной записи АТС больше нет.
recording-reason-unsupported = Эта АТС не отдаёт записи.
recording-reason-throttled = АТС просит подождать.
