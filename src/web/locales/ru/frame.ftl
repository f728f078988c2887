# Рамка: навигация, вход, ошибки, свои настройки.

skip-to-content = К содержанию
nav-label = Разделы
nav-desk = Рабочий стол
nav-me = Мои настройки
search-label = Найти клиента
search-placeholder = Клиент или номер
language-label = Язык
pops-label = Звонки на экране
connection-lost = Связь с сервером потеряна, восстанавливаем…

sign-in = Войти
sign-out = Выйти
login = Имя для входа
password = Пароль
sign-in-hint = Нет пароля? Попросите у администратора одноразовую ссылку для входа.
sign-in-failed = Имя или пароль не подходят.
link-greeting = Здравствуйте, { $name }
link-explain = Эта ссылка одноразовая: после входа она больше не действует. Пароль можно задать в своих настройках.

password-change = Пароль
password-current = Нынешний пароль
password-new = Новый пароль
password-again = Новый пароль ещё раз
password-set = Новый пароль сохранён. На других устройствах нужно войти заново.
password-hint =
    { $n ->
        [one] Не короче { $n } символа.
       *[other] Не короче { $n } символов.
    }
save = Сохранить

role-manager = Менеджер
role-head = Руководитель отдела
role-marketer = Маркетолог
role-quality = Контроль качества
role-owner = Владелец
role-administrator = Администратор

error-title = Не получилось
error-home = На рабочий стол
error-not-found = Такой страницы нет, или она вам не видна.
error-forbidden = На это у вас нет права.
error-sign-in-first = Сначала нужно войти.
error-forged = Форма устарела. Откройте страницу заново и повторите.
error-too-many = Слишком много попыток. Подождите минуту.
error-too-large = Слишком длинный текст.
error-unavailable = Сейчас не получается прочитать данные. Попробуйте ещё раз через минуту.
error-link-used = Эта ссылка уже использована или просрочена. Попросите новую.
error-unknown-language = Такого языка нет.
error-password-length = Пароль слишком короткий или слишком длинный.
error-password-again = Пароли в двух полях не совпадают.
error-password-current = Нынешний пароль не подходит.

span-minutes =
    { $n ->
        [0] меньше минуты
       *[other] { $n } мин
    }
span-hours = { $n } ч
span-days =
    { $n ->
        [one] { $n } день
        [few] { $n } дня
       *[other] { $n } дней
    }
size-kilobytes = { $n } КБ
size-megabytes = { $n } МБ
size-gigabytes = { $n } ГБ

nav-journal = Звонки
nav-cards = Клиенты
nav-lines = Линии
nav-accounts = АТС
pages-label = Страницы списка
pages-newest = К новым
pages-older = Раньше
pages-more = Ещё
error-no-number = Здесь нет номера, по которому можно позвонить.
error-no-extension = За вами не закреплён внутренний номер. Обратитесь к администратору.
error-call-unsupported = Эта АТС не умеет звонить по команде.
error-call-refused = АТС не приняла этот номер.
milliseconds = { $n } мс
microseconds = { $n } мкс

keys-title = Клавиши
keys-search = найти клиента
keys-desk = рабочий стол
keys-journal = звонки
keys-open = открыть карточку звонящего
keys-note = написать заметку
keys-results = результат звонка
keys-hide = скрыть окно звонка
keys-play = слушать или пауза
keys-skip = назад и вперёд на 5 секунд, с Shift — на 30
keys-speed = медленнее и быстрее
keys-off = Не использовать клавиши из одной буквы в этом браузере

alerts-title = Когда звонит ваш телефон
alerts-notice = Показывать уведомление, пока вы смотрите в другое место
alerts-ring = Звонить в этом браузере
alerts-denied = Браузер не разрешает уведомления этой страницы. Разрешите их рядом с адресом и попробуйте ещё раз.
alerts-insecure = Этот браузер показывает уведомления только страниц с https.
alerts-hint = Для этого браузера, на одной из его страниц и только о звонках, которые звонят вам. Страница может звучать после того, как вы на ней щёлкнули.
