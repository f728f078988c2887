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
