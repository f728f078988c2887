# Люди, передача дел и кто что делал.

nav-people = Люди
people-title = Люди
people-none = Здесь пока никого нет.
people-add = Добавить человека
people-add-hint = Затем будет показана одноразовая ссылка для входа, она действует сутки. Телефоны дают на странице самого человека.
people-added = { $name }: добавлено.
person-role = Роль
person-department = Отдел
person-phones = Телефоны
person-clients = Клиенты
person-call-backs = Перезвоны
person-signed-in = Последний вход
person-off = отключён
person-change = Имя, роль, отдел
person-deputy = Заместитель
person-link = Новая ссылка для входа
person-switch-on = Включить снова
person-not-yours = Изменить этого человека может только тот, у кого больше прав.
person-phones-hint = Телефон принадлежит одному человеку. Телефон отключённого можно отдать другому.
person-account = Учётная запись АТС
person-phone-add = Дать этот телефон
person-phone-remove = Забрать
error-role = Такой роли нет.
error-own-role = Свою роль никто не меняет сам.
error-own-off = Сам себя никто не отключает.
error-last-administrator = Не осталось бы никого, кто ведёт систему. Сначала сделайте администратором кого-то другого.
error-deputy = Заместитель — другой работающий человек, для руководителя — из того же отдела.
error-person-off = Этот человек отключён.
error-phone = Телефон записывают цифрами или латинскими буквами, без пробелов.
error-no-takers = Передать некому.

leave-title = Передать дела, отключить
leave-hint = Клиенты и открытые перезвоны насовсем переходят к другим; в истории каждого клиента видно, чей он был. Сначала будет показано, что произойдёт.
leave-to = Клиенты и перезвоны переходят к
leave-to-nobody = никому: остаются
leave-shared =
    { $n ->
        [one] по очереди: { $name }, { $n } человек
        [few] по очереди: { $name }, { $n } человека
       *[many] по очереди: { $name }, { $n } человек
    }
leave-off = Отключить: больше не работает
leave-look = Посмотреть, что произойдёт
leave-preview = { $name }: уходит
leave-off-means = Все входы закрываются сразу, и открытые страницы тоже; токены API прекращаются; маршрутизация больше не звонит на телефоны. Звонки и заметки остаются.
leave-stays = Остаются за человеком, а звонки идут заместителю или группе номера:
leave-goes = Будет передано:
leave-while = Очень много клиентов передаются не сразу. Закрытая страница этого не прервёт.
leave-do = Сделать
leave-not = Оставить как есть
leave-done = Готово. Передано:
leave-clients =
    { $n ->
        [one] { $n } клиент
        [few] { $n } клиента
       *[many] { $n } клиентов
    }
leave-call-backs =
    { $n ->
        [one] { $n } открытый перезвон
        [few] { $n } открытых перезвона
       *[many] { $n } открытых перезвонов
    }

audit-title = Кто что делал
audit-hint = Всё, что должно оставлять след. Выгрузка этого списка тоже в нём остаётся.
audit-none = Ничего такого за этот период никто не делал.
audit-nobody = командная строка или неизвестно кто
audit-object = С чем
audit-which = Что именно
audit-which-hint = адрес его страницы
audit-detail = Подробности
audit-remote = Откуда
deed-sign-in = вход
deed-sign-in-failed = неудачный вход
deed-set-password = новый пароль
deed-reveal = показ номера
deed-see-by-ring = видел по звонку
deed-search = поиск скрытого номера
deed-listen = прослушивание
deed-download = скачивание
deed-export = выгрузка
deed-change = изменение
deed-call = звонок клиенту
deed-close-task = закрытый перезвон
deed-mark = отметка
deed-unmark = снятая отметка
deed-consent = согласие записано
deed-pause = пауза записи
deed-resume = запись продолжена
deed-hold = запрет удаления
deed-release = снятый запрет удаления
deed-erase = стирание
deed-link = ссылка для входа
deed-switch-off = отключение
deed-switch-on = включение
deed-hand-over = передача дел
deed-subscribe = новый вебхук
deed-unsubscribe = удалённый вебхук
deed-rotate-secret = новый секрет
deed-enable-subscription = вебхук включён
deed-disable-subscription = вебхук отключён
deed-replay = повтор
deed-reload = чтение конфигурации
deed-reconcile = чтение прошлых звонков
deed-test-connection = проверка соединения
deed-object-call = звонок
deed-object-card = клиент
deed-object-recording = запись
deed-object-person = человек
deed-object-task = перезвон
deed-object-token = токен
deed-object-line = номер
deed-object-channel = канал
deed-object-account = учётная запись АТС
deed-object-subscription = вебхук
deed-object-raw = сообщение
deed-object-delivery = отправленное сообщение
deed-object-calls = список звонков
deed-object-cards = список клиентов
deed-object-lines = показатели по номерам
deed-object-audit = кто что делал
deed-object-number = номер
deed-object-channels = каналы
deed-object-spend = расходы
deed-object-configuration = конфигурация
deed-object-erased = (стёрто)
